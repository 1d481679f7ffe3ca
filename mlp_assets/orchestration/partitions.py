"""The partitions of cadences as Dagster partitions. A partition is named after the day on which its window starts."""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import dagster as dg

from mlp_assets.nouns.cadence import WEEK, Moments
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.source import Source, Window

Windows = list[tuple[str, Window]]
BY_PARTITION = dg.BackfillPolicy.single_run()


def partitions_of(source: Source, every: str, *, whole: bool = False) -> dg.TimeWindowPartitionsDefinition:
    """The partitions of a cadence over the source's history. Weeks begin on the weekday of ``source.start``.

    The newest partition of a cadence that is shorter than a day, over rows that keep coming, is today's.

    Args:
        whole: leaves out today's partition.
    """
    moments, end = Moments(moment(source.start), duration(every)), moment(source.end) if source.end else None
    in_progress = moments.shorter_than_a_day and end is None and not whole
    day = moments.start.isoweekday() % 7 if moments.partition == WEEK else "*"
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule=f"0 0 * * {day}",
        start=moments.start,
        end=end,
        fmt="%Y-%m-%d",
        timezone="UTC",
        end_offset=int(in_progress),
    )


def input_dep(key: dg.AssetKey, rows: Source | FeatureView) -> dg.AssetDep:
    """The dependency of a partition on the partitions of an input whose windows overlap its own.

    These are the same days, if both are daily. Earlier partitions that a window or an attribute reads are left out. If
    Dagster knew of them, a backfill of one day would also compute each later day that reads it.
    ``features/history/completeness.py`` looks at them instead. A table that is read in place has no partitions.
    """
    if isinstance(rows, Source) and not rows.ingested:
        return dg.AssetDep(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # our bounds on Dagster's version cover a beta feature
        mapping = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    return dg.AssetDep(key, partition_mapping=mapping)


def windows_of(context: dg.AssetExecutionContext) -> Windows:
    """(partition key, window) for each partition of this run, oldest first."""
    definition = context.assets_def.partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"{context.asset_key} has no time partitions.")
    return [(key, window_of(definition, key)) for key in sorted(context.partition_keys)]


def range_tags(names: Sequence[str]) -> dict[str, str]:
    """The tags by which Dagster runs a contiguous range of partitions, oldest first."""
    return {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[-1]}


def windows_until(source: Source, every: str, now: datetime) -> Windows:
    """(partition key, window) for each partition that has ended by ``now``, oldest first."""
    return list(_windows_until(source, every, now))


@lru_cache(maxsize=64)  # a history of eleven years takes 0.6 s
def _windows_until(source: Source, every: str, now: datetime) -> tuple[tuple[str, Window], ...]:
    definition = partitions_of(source, every)
    span = dg.TimeWindow(moment(source.start), min(now, moment(source.end)) if source.end else now)
    keys = definition.get_partition_keys_in_time_window(span) if span.start < span.end else []
    named = [(key, window_of(definition, key)) for key in keys]
    return tuple((key, window) for key, window in named if window.end <= span.end)


def partitions_within(rows: ViewInput, windows: Windows) -> set[str]:
    """The partitions with the steps of a source or view that lie wholly in one of the windows."""
    moments = Moments.of(rows)
    steps = [at for _, window in windows for at in moments.within(window) if at - moments.every >= window.start]
    last = moment(rows.root.end) if rows.root.end else None
    return {name for at in steps if last is None or at <= last for name in moments.names(rows, at)}


def partitions_overlapping(rows: ViewInput, start: datetime, end: datetime) -> set[str]:
    """The partitions that begin before ``end`` and end after ``start``."""
    definition = partitions_of(rows.root, rows.every)
    span = dg.TimeWindow(max(start - Moments.of(rows).partition, moment(rows.root.start)), end)
    keys = definition.get_partition_keys_in_time_window(span) if span.start < end else []
    return {key for key in keys if window_of(definition, key).end > start}


def window_of(definition: dg.TimeWindowPartitionsDefinition, key: str) -> Window:
    span = definition.time_window_for_partition_key(key)
    return Window(_utc(span.start), _utc(span.end))


def _utc(time: datetime) -> datetime:
    return datetime.fromtimestamp(time.timestamp(), UTC)
