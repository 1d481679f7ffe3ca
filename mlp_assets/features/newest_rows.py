"""The rows that a publication of a view holds: the newest row of each entity."""

from datetime import datetime

import polars as pl

from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.best_rows import best_when_visible
from mlp_assets.tables.standing_rows import as_newest, up_to


def newest_rows(
    view: FeatureView,
    rows: pl.LazyFrame,
    now: datetime,
    entities: pl.DataFrame | None = None,
    newest: datetime | None = None,
) -> pl.DataFrame:
    """The newest row of each entity, as known at ``now``, if it may be within its TTL: keys, ``event_time``, features.

    Leaves out rows without any feature: an entity that went quiet is missing online, as one never seen is.

    Args:
        entities: keys; only the rows of these entities are returned. By default, of all.
        newest: the newest moment of the table, from which the TTL counts; by default that of ``rows``.
    """
    entity_keys = list(view.entity.keys)
    rows = as_newest(up_to(rows, now, duration(view.every)))
    if view.ttl_length is not None:
        newest = newest or rows.select(pl.col("event_time").max()).collect().item()
        if newest is not None:
            rows = rows.filter(pl.col("event_time") >= newest - view.ttl_length)
    if entities is not None:
        rows = rows.join(entities.lazy(), on=entity_keys, how="semi")
    last = rows.group_by(entity_keys).agg(pl.col("event_time").max())  # avoids sorting all earlier rows
    rows = rows.join(last, on=[*entity_keys, "event_time"], how="semi")
    best = best_when_visible(rows, entity_keys).group_by(entity_keys, maintain_order=True).last()
    has_feature = pl.any_horizontal(pl.col(view.feature_names).is_not_null())
    columns = best.select(*entity_keys, "event_time", *view.feature_names).drop_nulls(entity_keys)
    return columns.filter(has_feature).collect()
