"""Finds the events by which two versions of a source differ, and the moments of a view that they touch."""

from datetime import datetime

import numpy as np
import polars as pl

from mlp_assets.features.source_rows import source_table
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import UTC_TIME, as_events
from mlp_assets.tables.expiry import microseconds


def changed_times(scope: Scope, view: FeatureView, before: int, now: int | None) -> pl.Series:
    """The sorted times of the events that were added, removed or changed between two versions of the source.

    Args:
        before: the source version of the last computation; -1 if there was none.
        now: the source version to compute from; None for Parquet, whose changes cannot be seen.
    """
    if now is None or before == now:
        return pl.Series([], dtype=UTC_TIME)
    return _changed_times(scope, view, before, now)


def is_touched(view: FeatureView, times: pl.Series, at: datetime) -> bool:
    """Whether one of the event times is within reach of a moment."""
    reach, values = view.reach, times.to_physical().to_numpy()  # Polars takes milliseconds to look up one value
    first = np.searchsorted(values, microseconds(at - reach)) if reach is not None else 0
    return bool(first < np.searchsorted(values, microseconds(at)))


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
