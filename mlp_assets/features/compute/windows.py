"""Feature rows: aggregations over trailing windows of the events known at each moment of a view's cadence."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.change_moments import change_rows, hold
from mlp_assets.features.compute.feature_values import feature_values
from mlp_assets.features.compute.late_versions import changed_versions, version_rows
from mlp_assets.features.compute.time_steps import ID, Steps, WantedMoments
from mlp_assets.features.compute.window_contents import NEWEST, WindowContents
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import WITHDRAWN


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
    read = _within_reach(view, events, moments)
    keys = list(view.entity.keys)
    entities = read.select(keys).unique().sort(keys)
    numbered = _ordered(view, read.join(entities.with_row_index(ID), on=keys))
    steps = Steps(view, numbered)
    grid, contents = steps.moments(moments), WindowContents(steps)
    rows = _base(steps, grid, contents)
    versions = version_rows(numbered, steps, grid)
    if versions.height:
        late = feature_values(steps, contents.of(versions)).select(rows.columns)
        rows = changed_versions(rows, late, ["event_time", ID], view.feature_names)
    return entities[rows[ID]].hstack(rows.select("event_time", "known_at", *view.feature_names))


def _within_reach(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    time, reach, keys = view.source.event_time, view.reach, view.entity.keys
    near = [pl.col(time) >= min(moments) - reach] if reach is not None else []
    kept = events.filter(pl.col(time) < max(moments), *near, *(pl.col(key).is_not_null() for key in keys))
    read = dict.fromkeys([*keys, time, *(column for part in view.parts for column in part.columns)])
    return kept.select(*read, *_declared(view), "known_at", WITHDRAWN, "late").collect()


def _ordered(view: FeatureView, events: pl.DataFrame) -> pl.DataFrame:
    """The events by entity and time, then by all columns that tell events of one time apart."""
    time, stamps = view.source.event_time, [*_declared(view), "known_at", WITHDRAWN]
    apart = [stamp for stamp in stamps if not _follows(events[stamp], events[time])]
    values = [name for name in events.columns if name not in (ID, time, "late", *stamps, *view.entity.keys)]
    return events.sort(ID, time, *apart, *values)


def _follows(stamps: pl.Series, times: pl.Series) -> bool:
    """Whether all stamps are null or equally long after the times, and so tell no events of one time apart."""
    after = stamps - times
    return after.null_count() == len(after) or (after.null_count() == 0 and after.min() == after.max())


def _declared(view: FeatureView) -> list[str]:
    """The column that orders several rows of one time, if a feature needs it."""
    return ["declared_at"] if any(part.traits.ties_by_known for part in view.parts) else []


def _base(steps: Steps, moments: WantedMoments, contents: WindowContents) -> pl.DataFrame:
    """The rows as known at their moments."""
    changes = contents.of(change_rows(steps, moments).with_columns(known_at="event_time"))
    present = changes[NEWEST].is_not_null()
    if any(part.traits.is_age or part.until is not None for part in steps.parts.values()):
        rows = feature_values(steps, hold(changes, present, moments))
    else:
        rows = hold(feature_values(steps, changes), present, moments)
    return rows.select(ID, "event_time", "known_at", *steps.view.feature_names)
