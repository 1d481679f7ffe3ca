"""Versions of feature rows: which rows late and withdrawn events change, and when."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.time_steps import ID, VERSION
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import UTC_TIME, WITHDRAWN


def version_pairs(
    events: pl.DataFrame, view: FeatureView, moments: Sequence[datetime]
) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """For each moment that late events touch: the moment, and a frame of ``__id`` and ``__version``.

    A pair says that an event of the entity, within reach of the moment, became known or was withdrawn at ``__version``,
    which is after the moment.
    """
    time, reach = view.source.event_time, view.reach
    changes = pl.concat(
        [
            events.filter("late").select(ID, time, pl.col("known_at").alias(VERSION)),
            events.filter(pl.col(WITHDRAWN).is_not_null()).select(ID, time, pl.col(WITHDRAWN).alias(VERSION)),
        ]
    )
    for moment in moments if changes.height else ():
        end = pl.lit(moment).cast(UTC_TIME)
        near = [pl.col(time) >= end - reach] if reach is not None else []
        pairs = changes.filter(pl.col(time) < end, pl.col(VERSION) > end, *near).select(ID, VERSION).unique()
        if pairs.height:
            yield moment, pairs.sort(ID, VERSION)


def changed_versions(
    base: pl.DataFrame, versions: pl.DataFrame, row: Sequence[str], features: Sequence[str]
) -> pl.DataFrame:
    """The base rows, and the versions whose features differ from the version before.

    Args:
        base: each row as known at its moment, with the columns ``row``, ``known_at`` and the features.
        versions: the same rows as known later, in the same columns.
    """
    ordered = pl.concat([base, versions]).sort(*row, "known_at")
    first = pl.int_range(pl.len()).over(row) == 0
    before = [pl.col(name).shift(1).over(row) for name in features]
    differs = pl.any_horizontal(pl.col(name).ne_missing(old) for name, old in zip(features, before, strict=True))
    is_base = pl.col("known_at") == pl.col("event_time")
    has_feature = pl.any_horizontal(pl.col(features).is_not_null())
    return ordered.filter(is_base | (first & has_feature) | (~first & differs))
