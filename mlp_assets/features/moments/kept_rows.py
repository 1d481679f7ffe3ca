"""Puts the rows of moments that a run leaves as they are beside the rows that it computed."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.features.moments.moments_to_compute import PartitionMoments
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import spans_of
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.standing_rows import merge_alike, within_spans


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
    every, keys = duration(view.every), view.entity.keys
    spans = spans_of(pl.Series(sorted(kept), dtype=UTC_TIME), every)
    both = pl.concat([within_spans(rows, spans).select(computed.columns).collect(), computed])
    return merge_alike(both, keys, view.feature_names, every)
