"""Versions of feature rows: what late and withdrawn events change, and from when on."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.time_steps import ID, VERSION
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import UTC_TIME, WITHDRAWN


def version_pairs(
    events: pl.DataFrame, view: FeatureView, moments: Sequence[datetime]
) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """For each moment that late events touch, the pairs of an entity (``__id``) and a time (``__version``) after the
    moment at which something within its reach became known or ceased to be believed."""
    time, far = view.source.event_time, view.reach
    changes = pl.concat(
        [
            events.filter("late").select(ID, time, pl.col("known_at").alias(VERSION)),
            events.filter(pl.col(WITHDRAWN).is_not_null()).select(ID, time, pl.col(WITHDRAWN).alias(VERSION)),
        ]
    )
    for moment in moments if changes.height else ():
        end = pl.lit(moment).cast(UTC_TIME)
        near = [pl.col(time) >= end - far] if far is not None else []
        pairs = changes.filter(pl.col(time) < end, pl.col(VERSION) > end, *near).select(ID, VERSION).unique()
        if pairs.height:
            yield moment, pairs.sort(ID, VERSION)


def changed_versions(
    base: pl.DataFrame, versions: pl.DataFrame, row: Sequence[str], features: Sequence[str]
) -> pl.DataFrame:
    """The base rows and those versions that say something else than what was known before them.

    Args:
        base, versions: rows with the columns ``row``, ``known_at`` and the features.
    """
    ordered = pl.concat([base, versions]).sort(*row, "known_at")
    first = pl.int_range(pl.len()).over(row) == 0
    before = [pl.col(name).shift(1).over(row) for name in features]
    news = pl.any_horizontal(pl.col(name).ne_missing(old) for name, old in zip(features, before, strict=True))
    is_base = pl.col("known_at") == pl.col("event_time")
    held = pl.any_horizontal(pl.col(features).is_not_null())
    return ordered.filter(is_base | (first & held) | (~first & news))
