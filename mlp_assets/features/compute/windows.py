"""Feature rows: aggregations over trailing windows of the events known at each moment of a view's cadence."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.late_versions import changed_versions, version_pairs
from mlp_assets.features.compute.time_steps import CLOSING, ID, PAIR, VERSION, Steps
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.events import UTC_TIME, WITHDRAWN


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
    ordered = sorted(moments)
    read = _within_reach(view, events, ordered)
    keys = list(view.entity.keys)
    entities = read.select(keys).unique().sort(keys).with_row_index(ID)
    order = [view.source.event_time, ID, *_declared(view), "known_at", WITHDRAWN]
    numbered = read.join(entities, on=keys)
    numbered = numbered.sort(*order, *(name for name in read.columns if name not in order))
    steps = Steps(view, numbered)
    rows = _base(view, steps, ordered)
    versions = [_versions(view, steps, moment, pairs) for moment, pairs in version_pairs(numbered, view, ordered)]
    if versions:
        rows = changed_versions(rows, pl.concat(versions), ["event_time", ID], view.feature_names)
    keyed = rows.join(entities, on=ID, how="left").sort("event_time", ID, "known_at")
    return keyed.select(*keys, "event_time", "known_at", *view.feature_names)


def _within_reach(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    time, reach, keys = view.source.event_time, view.reach, view.entity.keys
    near = [pl.col(time) >= moments[0] - reach] if reach is not None else []
    kept = events.filter(pl.col(time) < moments[-1], *near, *(pl.col(key).is_not_null() for key in keys))
    read = dict.fromkeys([*keys, time, *(column for part in view.parts for column in part.columns)])
    return kept.select(*read, *_declared(view), "known_at", WITHDRAWN, "late").collect()


def _declared(view: FeatureView) -> list[str]:
    """The column that orders several rows of one time, if a feature needs it."""
    return ["declared_at"] if any(part.traits.ties_by_known for part in view.parts) else []


def _base(view: FeatureView, steps: Steps, moments: Sequence[datetime]) -> pl.DataFrame:
    """The rows as known at their moments."""
    rows = [steps.values(end).with_columns(pl.lit(end).cast(UTC_TIME).alias("event_time")) for end in moments]
    return _derive(view, pl.concat(rows).with_columns(known_at=pl.col("event_time")))


def _versions(view: FeatureView, steps: Steps, moment: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of one moment as known later. Each pair of entity and version is computed like an entity of its own."""
    numbered = pairs.with_row_index(PAIR)
    rows = numbered.join(steps.versions(moment, numbered), on=PAIR, how="left")
    when = pl.lit(moment).cast(UTC_TIME).alias("event_time")
    rows = rows.with_columns(pl.col(CLOSING).fill_null(value=True), when).rename({VERSION: "known_at"})
    return _derive(view, rows)


def _derive(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the derived features, and empties closing rows."""
    derived = with_derived(rows, view.derived, view.features)
    features = (pl.when(~pl.col(CLOSING)).then(pl.col(name)).alias(name) for name in view.feature_names)
    return derived.select(ID, "event_time", "known_at", *features)
