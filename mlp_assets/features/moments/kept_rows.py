"""Puts the rows of moments that a run leaves as they are beside the rows that it computed."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.features.moments.moments_to_compute import PartitionMoments
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import UTC_TIME


def with_kept_rows(
    scope: Scope, view: FeatureView, computed: pl.DataFrame, parts: Sequence[PartitionMoments], version: int | None
) -> pl.DataFrame:
    """The computed rows, and the rows that the partitions keep, in the order of the table.

    Args:
        version: of the view's table.
    """
    kept = [at for part in parts for at in part.keep]
    if not kept or version is None:
        return computed
    names = [part.name for part in parts if part.keep]
    rows = scope.environment.lake.scan(lake_table(scope, view), version).filter(pl.col("partition").is_in(names))
    of_moment = pl.col("event_time").is_in(pl.Series(kept, dtype=UTC_TIME).implode())
    stored = rows.filter(of_moment).select(computed.columns).collect()
    both = pl.concat([stored, computed])
    return both.sort("event_time", *view.entity.keys, "known_at")
