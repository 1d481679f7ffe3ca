"""Cadences -> a partitioned job each, and the schedule that runs it when a step has ended."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from mlp_assets.nouns.cadence import DAY, WEEK, Cadence, Moments, cadences_of
from mlp_assets.nouns.checks.cadences import written
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.partitions import range_tags

_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
_WORDS = {_HOUR: "hourly", DAY: "daily", WEEK: "weekly"}


def cadence_jobs(project: Project) -> list[tuple[Any, Any | None]]:
    """(job, schedule) for each cadence of the project's sources, features and publications.

    A backfill in the web UI launches the job. The schedule computes each step when it has ended, or a little later if
    the job reads tables that it does not write. A cadence of sources that have an end has no schedule.
    """
    jobs: list[tuple[Any, Any | None]] = []
    for name, cadence in _named(project):
        what = "Ingests the sources, and computes and publishes the features, of one window."
        job = dg.define_asset_job(name, dg.AssetSelection.assets(*_assets(project, cadence)), description=what)
        jobs.append((job, _schedule(job, cadence) if cadence.end is None else None))
    return jobs


def jobs_within_days(project: Project) -> tuple[str, ...]:
    """The scheduled jobs whose steps are shorter than their partition, so that today's partition is in progress."""
    return tuple(name for name, cadence in _named(project) if cadence.end is None and cadence.every < DAY)


def _assets(project: Project, cadence: Cadence) -> list[dg.AssetKey]:
    """The assets that the job of a cadence materializes."""
    assets: list[dg.AssetKey] = []
    for rows in cadence.writes:
        assets.append(keys.view_input(project.name, rows))
        if isinstance(rows, FeatureView) and rows.online:
            assets.append(keys.online(project.name, rows))
    return assets


def _schedule(job: Any, cadence: Cadence) -> Any:
    if cadence.every in (DAY, WEEK):
        return dg.build_schedule_from_partitioned_job(
            job,
            hour_of_day=cadence.run_after // _HOUR,
            minute_of_hour=0,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Computes the window that has just ended.",
        )

    crons = crons_of(cadence)

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=crons if len(crons) > 1 else crons[0],
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Computes the partition that holds the step that has just ended.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return request_of(cadence, context.scheduled_execution_time.astimezone(UTC))

    return tick


def request_of(cadence: Cadence, time: datetime) -> dg.RunRequest | dg.SkipReason:
    """The run of a tick at a time: the partitions of the step that has just ended."""
    moments, at = Moments(cadence.start, cadence.every), time - cadence.run_after
    if at <= cadence.start or moments.floor(at) != at:
        return dg.SkipReason(f"No step of {written(cadence.every)} ends at {at:%Y-%m-%d %H:%M}.")
    names = sorted({name for rows in cadence.writes for name in moments.names(rows, at)})
    key = f"{at:%Y-%m-%dT%H:%M}"
    if len(names) == 1:
        return dg.RunRequest(run_key=key, partition_key=names[0])
    return dg.RunRequest(run_key=key, tags=range_tags(names))


def newest_request(cadence: Cadence, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """A run of the partitions of the newest step whose scheduled run is not later than ``now``."""
    ended = now if cadence.end is None else min(now, cadence.end + cadence.run_after)
    at = Moments(cadence.start, cadence.every).floor(ended - cadence.run_after)
    return request_of(cadence, at + cadence.run_after)


def crons_of(cadence: Cadence) -> list[str]:
    """Cron schedules that together tick at the end of each step, and of each day or week of a longer step."""
    if cadence.every % WEEK == timedelta(0):
        return [f"0 {cadence.run_after // _HOUR} * * {cadence.start.isoweekday() % 7}"]
    step = min(cadence.every, DAY)
    times = [(cadence.run_after + number * step) % DAY for number in range(DAY // step)]
    minutes: dict[int, list[int]] = {}
    for time in sorted(times):
        minutes.setdefault(time // _HOUR, []).append(time % _HOUR // _MINUTE)
    hours: dict[str, list[int]] = {}
    for hour, within in minutes.items():
        hours.setdefault(",".join(map(str, within)), []).append(hour)
    return [
        f"{within} {'*' if len(listed) == 24 else ','.join(map(str, listed))} * * *" for within, listed in hours.items()
    ]


def _named(project: Project) -> Iterator[tuple[str, Cadence]]:
    cadences = cadences_of(project)
    words = [_WORDS.get(cadence.every, f"every_{written(cadence.every)}") for cadence in cadences]
    counts = Counter(words)
    for word, cadence in zip(words, cadences, strict=True):
        until = f"_to_{cadence.end:%Y%m%d}" if cadence.end else ""
        span = f"_from_{cadence.start:%Y%m%d}{until}" if counts[word] > 1 else ""
        yield f"{project.name}__{word}{span}", cadence
