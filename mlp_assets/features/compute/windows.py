"""Feature rows: for each moment of a view's cadence, aggregations over trailing windows of what was known by then."""

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
        view: what to compute.
        events: the source's rows as ``as_events`` returns them, those within ``reach`` of the moments at least.
        moments: times of the view's cadence.

    Returns:
        For each moment, one row for each entity with an event in the view's longest window or one cadence before it:
        keys, ``event_time`` (the moment), ``known_at``, and the features as finite Float64 or null; sorted by moment
        and key. A row whose ``known_at`` is its moment counts events that happened before, and were known at or before,
        it. An event that became known late adds a version of each row that it changes, known when the event was.

        An entity that goes quiet gets one closing row, without which its last one would stand in until the TTL. All its
        features are null: what an entity has follows from its windows alone, and one that was never seen has nothing
        either. What one moment gives does not depend on which others are asked for, to the last bit.
    """
    ordered = sorted(moments)
    found = _within_reach(view, events, ordered)
    keys = list(view.entity.keys)
    entities = found.select(keys).unique().sort(keys).with_row_index(ID)
    order = [view.source.event_time, ID, "known_at", WITHDRAWN]
    numbered = found.join(entities, on=keys)
    numbered = numbered.sort(*order, *(name for name in found.columns if name not in order))
    steps = Steps(view, numbered)
    made = _base(view, steps, ordered)
    versions = [_versions(view, steps, moment, pairs) for moment, pairs in version_pairs(numbered, view, ordered)]
    if versions:
        made = changed_versions(made, pl.concat(versions), ["event_time", ID], view.feature_names)
    keyed = made.join(entities, on=ID, how="left").sort("event_time", ID, "known_at")
    return keyed.select(*keys, "event_time", "known_at", *view.feature_names)


def _within_reach(view: FeatureView, events: pl.LazyFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    time, far, keys = view.source.event_time, view.reach, view.entity.keys
    near = [pl.col(time) >= moments[0] - far] if far is not None else []
    kept = events.filter(pl.col(time) < moments[-1], *near, *(pl.col(key).is_not_null() for key in keys))
    read = dict.fromkeys([*keys, time, *(column for part in view.parts for column in part.columns)])
    return kept.select(*read, "known_at", WITHDRAWN, "late").collect()


def _base(view: FeatureView, steps: Steps, moments: Sequence[datetime]) -> pl.DataFrame:
    """The rows as they were known at their moments."""
    rows = [steps.values(end).with_columns(pl.lit(end).cast(UTC_TIME).alias("event_time")) for end in moments]
    return _finished(view, pl.concat(rows).with_columns(known_at=pl.col("event_time")))


def _versions(view: FeatureView, steps: Steps, moment: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of one moment as they were known later: each pair is computed as if it were an entity of its own."""
    numbered = pairs.with_row_index(PAIR)
    rows = numbered.join(steps.versions(moment, numbered), on=PAIR, how="left")
    when = pl.lit(moment).cast(UTC_TIME).alias("event_time")
    made = rows.with_columns(pl.col(CLOSING).fill_null(value=True), when).rename({VERSION: "known_at"})
    return _finished(view, made)


def _finished(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    made = with_derived(rows, view.derived, view.features)
    features = (pl.when(~pl.col(CLOSING)).then(pl.col(name)).alias(name) for name in view.feature_names)
    return made.select(ID, "event_time", "known_at", *features)
