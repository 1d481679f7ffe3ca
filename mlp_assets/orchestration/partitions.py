"""Cadences as Dagster partitions. A partition is named after the day on which its window starts."""

import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg

from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source, Window

Windows = list[tuple[str, Window]]
BY_PARTITION = dg.BackfillPolicy.single_run()


def partitions_of(source: Source, every: str) -> dg.TimeWindowPartitionsDefinition:
    """The partitions of length ``every`` over the source's history. Weeks begin on the weekday of ``source.start``."""
    start = moment(source.start)
    common = {"start": start, "end": moment(source.end) if source.end else None, "fmt": "%Y-%m-%d", "timezone": "UTC"}
    if duration(every) == timedelta(days=7):
        return dg.TimeWindowPartitionsDefinition(cron_schedule=f"0 0 * * {start.isoweekday() % 7}", **common)
    return dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 * * *", **common)


def mapping_to_source(view: FeatureView) -> dg.PartitionMapping:
    """Maps a feature partition to the source partitions that it reads: see ``FeatureView.reach``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # our bounds on Dagster's version cover a beta feature
        return _mapping(view)


def _mapping(view: FeatureView) -> dg.PartitionMapping:
    view_step, source_step = duration(view.every), duration(view.source.every)
    if view_step < source_step:
        return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    reach = view.reach
    if reach is None:
        return dg.AllPartitionMapping()
    back = -(-reach // view_step) - 1
    return dg.TimeWindowPartitionMapping(start_offset=-back, allow_nonexistent_upstream_partitions=True)


def windows_of(context: dg.AssetExecutionContext) -> Windows:
    """(partition key, window) for each partition of this run, oldest first."""
    definition = context.assets_def.partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"{context.asset_key} has no time partitions.")
    return [(key, window_of(definition, key)) for key in sorted(context.partition_keys)]


def partitions_within(source: Source, every: str, windows: Windows) -> set[str]:
    """The partitions that lie wholly in one of the windows; none in a window shorter than a partition."""
    definition = partitions_of(source, every)
    return {
        key
        for _, window in windows
        for key in definition.get_partition_keys_in_time_window(dg.TimeWindow(window.start, window.end))
        if definition.time_window_for_partition_key(key).end <= window.end
    }


def window_of(definition: dg.TimeWindowPartitionsDefinition, key: str) -> Window:
    span = definition.time_window_for_partition_key(key)
    return Window(_utc(span.start), _utc(span.end))


def _utc(time: datetime) -> datetime:
    return datetime.fromtimestamp(time.timestamp(), UTC)
