"""Finds the partitions of a view that changes of its source touch."""

from datetime import datetime

import polars as pl

from mlp_assets.features.source_rows import source_table
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.partitions import Windows, partitions_of, window_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import UTC_TIME, as_events


def touched_windows(scope: Scope, view: FeatureView, before: int, now: int | None, candidates: set[str]) -> Windows:
    """The candidates within whose reach an event was added, removed or changed between two versions of the source.

    Args:
        before: the source version of the last computation; -1 if there was none.
        now: the source version to compute from; None for Parquet, whose changes cannot be seen.
        candidates: partitions of the view that have been computed.
    """
    if now is None or not candidates or before == now:
        return []
    times = _changed_times(scope, view, before, now)
    definition = partitions_of(view.root, view.every)
    windows = [(name, window_of(definition, name)) for name in sorted(candidates) if definition.has_partition_key(name)]
    return [(name, window) for name, window in windows if _touches(view, times, window.end)]


def _touches(view: FeatureView, times: pl.Series, end: datetime) -> bool:
    reach = view.reach
    first = times.search_sorted(end - reach, "left") if reach is not None else 0
    return first < times.search_sorted(end, "left")


def _changed_times(scope: Scope, view: FeatureView, before: int, now: int) -> pl.Series:
    """The sorted event times of the rows that are in one of the two versions only."""
    added, removed = scope.environment.lake.changes(source_table(scope, view.source), before, now)
    if removed is not None and added is not None and removed.collect_schema() != added.collect_schema():
        removed = None  # with other columns, every row counts as new
    signed = [(rows, sign) for rows, sign in ((added, 1), (removed, -1)) if rows is not None]
    if not signed:
        return pl.Series([], dtype=UTC_TIME)
    events = pl.concat([as_events(view.source, rows).with_columns(__sign=pl.lit(sign)) for rows, sign in signed])
    all_columns = [name for name in events.collect_schema() if name != "__sign"]
    changed = events.group_by(all_columns).agg(pl.col("__sign").sum()).filter(pl.col("__sign") != 0)
    return changed.select(pl.col(view.source.event_time).unique().sort()).collect().to_series()
