"""Cadences -> a partitioned job each, and the schedule that runs it when a window has ended."""

from collections import Counter
from datetime import timedelta
from typing import Any

import dagster as dg

from mlp_assets.nouns.cadence import Cadence, cadences_of
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys


def cadence_jobs(project: Project) -> list[tuple[Any, Any | None]]:
    """(job, schedule) for each cadence of the project's sources, features and publications.

    A backfill in the web UI launches the job. The schedule computes each window when it has ended, or an hour later if
    the job reads tables that it does not write. A cadence of sources that have an end has no schedule.
    """
    jobs: list[tuple[Any, Any | None]] = []
    for name, cadence in _named(project):
        what = "Ingests the sources, and computes and publishes the features, of one window."
        job = dg.define_asset_job(name, dg.AssetSelection.assets(*_assets(project, cadence)), description=what)
        jobs.append((job, _schedule(job, cadence) if cadence.end is None else None))
    return jobs


def _assets(project: Project, cadence: Cadence) -> list[dg.AssetKey]:
    """The assets that the job of a cadence materializes."""
    assets: list[dg.AssetKey] = []
    for rows in cadence.writes:
        assets.append(keys.view_input(project.name, rows))
        if isinstance(rows, FeatureView) and rows.online:
            assets.append(keys.online(project.name, rows))
    return assets


def _schedule(job: Any, cadence: Cadence) -> Any:
    return dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=cadence.run_after // timedelta(hours=1),
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Computes the window that has just ended.",
    )


def _named(project: Project) -> list[tuple[str, Cadence]]:
    cadences = cadences_of(project)
    words = ["weekly" if cadence.every == timedelta(days=7) else "daily" for cadence in cadences]
    counts = Counter(words)
    named: list[tuple[str, Cadence]] = []
    for word, cadence in zip(words, cadences, strict=True):
        until = f"_to_{cadence.end:%Y%m%d}" if cadence.end else ""
        span = f"_from_{cadence.start:%Y%m%d}{until}" if counts[word] > 1 else ""
        named.append((f"{project.name}__{word}{span}", cadence))
    return named
