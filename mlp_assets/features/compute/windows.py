"""Feature rows: aggregations over trailing windows of the events known at each moment of a view's cadence."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from mlp_assets.features.compute.change_moments import change_rows, hold
from mlp_assets.features.compute.feature_values import feature_values
from mlp_assets.features.compute.late_versions import changed_versions, version_rows
from mlp_assets.features.compute.time_steps import ID, Steps, WantedMoments
from mlp_assets.features.compute.window_contents import NEWEST, WindowContents
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import DECLARED, LATE, WITHDRAWN
from mlp_assets.tables.standing_rows import UNTIL, merge_alike


def feature_rows(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    """The feature rows of the moments.

    Args:
        events: the source's rows as ``as_events`` returns them, at least those within ``reach`` of the moments.
        moments: times of the view's cadence.

    Returns:
        For each moment, a row for each entity with an event in the view's longest window or one cadence before it:
        keys, ``event_time`` (the moment), ``known_at``, and the features as finite Float64 or null; sorted by moment,
        key and ``known_at``. A row with ``known_at`` equal to its moment counts events that happened before the moment
        and were known by then. A late event adds a version of each row that it changes, known when the event was.

        An entity that goes quiet gets one closing row with all features null. Without it, its last row would be used
        until the TTL. The rows of a moment have the same bits whichever other moments are computed with it.
    """
    return _computed(view, events, moments, standing=False).drop(UNTIL)


def standing_rows(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    """Like ``feature_rows``, but a row stands for the moments of a day that follow each other, until a value changes.

    Adds the column ``stands_until``; see ``tables/standing_rows``.
    """
    return _computed(view, events, moments, standing=True)


def _computed(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime], *, standing: bool) -> pl.DataFrame:
    read = _within_reach(view, events, moments)
    keys, features = list(view.entity.keys), view.feature_names
    entities = read.select(keys).unique().sort(keys)
    numbered = _ordered(view, read.join(entities.with_row_index(ID), on=keys))
    steps = Steps(view, numbered)
    single, contents = steps.moments(moments), WindowContents(steps)
    versions = version_rows(numbered, steps, single)
    if standing:
        rows = _standing(steps, steps.moments(moments, standing=True), contents, versions)
    else:
        rows = _base(steps, single, contents, change_rows(steps, single), by_moment=True)
    if versions.height:
        held = contents.of(versions.with_columns(pl.col("event_time").alias(UNTIL)))
        late = feature_values(steps, held).select(rows.columns).with_columns(held[NEWEST].is_not_null())
        base = rows.with_columns(pl.lit(value=True).alias(NEWEST))
        rows = changed_versions(base, late, ["event_time", ID], features, NEWEST)
    if standing:
        rows = merge_alike(rows, [ID], features, duration(view.every))
    return entities[rows[ID]].hstack(rows.select("event_time", "known_at", UNTIL, *features))


def _within_reach(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    time, reach, keys = view.source.event_time, view.reach, view.entity.keys
    near = [pl.col(time) >= min(moments) - reach] if reach is not None else []
    kept = events.filter(pl.col(time) < max(moments), *near, *(pl.col(key).is_not_null() for key in keys))
    read = dict.fromkeys([*keys, time, *(column for part in view.parts for column in part.columns)])
    return kept.select(*read, *_declared(view), "known_at", WITHDRAWN, LATE).collect()


def _ordered(view: FeatureView, events: pl.DataFrame) -> pl.DataFrame:
    """The events by entity and time, then by all columns that tell events of one time apart."""
    time, stamps = view.source.event_time, [*_declared(view), "known_at", WITHDRAWN]
    apart = [stamp for stamp in stamps if not _follows(events[stamp], events[time])]
    values = [name for name in events.columns if name not in (ID, time, LATE, *stamps, *view.entity.keys)]
    return events.sort(ID, time, *apart, *values)


def _follows(stamps: pl.Series, times: pl.Series) -> bool:
    """Whether all stamps are null or equally long after the times, and so tell no events of one time apart."""
    after = stamps - times
    return after.null_count() == len(after) or (after.null_count() == 0 and after.min() == after.max())


def _declared(view: FeatureView) -> list[str]:
    """The column that orders several rows of one time, if a feature needs it."""
    return [DECLARED] if any(part.traits.ties_by_known for part in view.parts) else []


def _standing(steps: Steps, moments: WantedMoments, contents: WindowContents, versions: pl.DataFrame) -> pl.DataFrame:
    """The rows as known at their moments. A row that has versions stands for one moment, as they do."""
    if changes_with_time(steps.view):
        return _base(steps, replace(moments, runs=np.arange(len(moments.times))), contents, change_rows(steps, moments))
    return _base(steps, moments, contents, change_rows(steps, moments, alone=versions))


def changes_with_time(view: FeatureView) -> bool:
    """Whether features change at each moment without any event: the days since the last, or an attribute that ends."""
    return any(part.traits.is_age or part.until is not None for part in view.parts)


def _base(
    steps: Steps, moments: WantedMoments, contents: WindowContents, changes: pl.DataFrame, *, by_moment: bool = False
) -> pl.DataFrame:
    """The rows as known at their moments."""
    held = contents.of(changes.with_columns(known_at="event_time"))
    present = held[NEWEST].is_not_null()
    if changes_with_time(steps.view):
        rows = feature_values(steps, hold(held, present, moments, by_moment=by_moment))
    else:
        rows = hold(feature_values(steps, held), present, moments, by_moment=by_moment)
    return rows.select(ID, "event_time", "known_at", UNTIL, *steps.view.feature_names)
