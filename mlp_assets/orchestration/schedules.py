"""Cadences -> a partitioned job each, and the schedule that runs it when a window has ended."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys

_Windows = tuple[timedelta, datetime, datetime | None]
_HOUR_AFTER_OTHER_JOBS = 1


@dataclass
class _Cadence:
    """The assets of a project that have the same partitions."""

    source: Source
    every: str
    assets: list[dg.AssetKey] = field(default_factory=list[dg.AssetKey])
    writes: list[ViewInput] = field(default_factory=list[ViewInput])
    reads: list[ViewInput] = field(default_factory=list[ViewInput])

    @property
    def open(self) -> bool:
        return self.source.end is None

    @property
    def waits(self) -> bool:
        """Whether it reads rows that another job, or somebody else, writes first."""
        return any(all(source is not written for written in self.writes) for source in self.reads)


def cadence_jobs(project: Project) -> list[tuple[Any, Any | None]]:
    """(job, schedule) for each cadence of the project's sources, features and publications.

    A backfill in the web UI launches the job. The schedule computes each window when it has ended, or an hour later if
    the job reads tables that it does not write. A cadence of sources that have an end has no schedule.
    """
    jobs: list[tuple[Any, Any | None]] = []
    for name, cadence in _named(project):
        what = "Ingests the sources, and computes and publishes the features, of one window."
        job = dg.define_asset_job(name, dg.AssetSelection.assets(*cadence.assets), description=what)
        jobs.append((job, _schedule(job, cadence) if cadence.open else None))
    return jobs


def _schedule(job: Any, cadence: _Cadence) -> Any:
    return dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=_HOUR_AFTER_OTHER_JOBS if cadence.waits else 0,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Computes the window that has just ended.",
    )


def _named(project: Project) -> list[tuple[str, _Cadence]]:
    cadences = _cadences(project)
    words = {windows: "weekly" if windows[0] == timedelta(days=7) else "daily" for windows in cadences}
    ambiguous = {word for word, count in Counter(words.values()).items() if count > 1}
    named: list[tuple[str, _Cadence]] = []
    for windows, cadence in cadences.items():
        word, (_, start, end) = words[windows], windows
        span = f"_from_{start:%Y%m%d}" + (f"_to_{end:%Y%m%d}" if end else "") if word in ambiguous else ""
        named.append((f"{project.name}__{word}{span}", cadence))
    return named


def _cadences(project: Project) -> dict[_Windows, _Cadence]:
    cadences: dict[_Windows, _Cadence] = {}
    for source in project.sources:
        if source.ingested:
            cadence = cadences.setdefault(_windows(source, source.every), _Cadence(source, source.every))
            cadence.assets.append(keys.source(project.name, source))
            cadence.writes.append(source)
            cadence.reads += source.inputs
    for view in project.feature_views:
        cadence = cadences.setdefault(_windows(view.root, view.every), _Cadence(view.root, view.every))
        cadence.assets.append(keys.features(project.name, view))
        cadence.writes.append(view)
        cadence.reads.append(view.source)
        if view.online:
            cadence.assets.append(keys.online(project.name, view))
    return cadences


def _windows(source: Source, every: str) -> _Windows:
    return duration(every), moment(source.start), moment(source.end) if source.end else None
