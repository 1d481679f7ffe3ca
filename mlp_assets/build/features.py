"""FeatureView -> a partitioned Delta table."""

import dagster as dg
import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.history import check_ingested
from mlp_assets.build.metadata import column_lineage, measured, table_metadata
from mlp_assets.build.partitions import BY_PARTITION, mapping_to_source, partitions_of, windows_of
from mlp_assets.build.sources import source_rows, source_versions
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.engine.windows import features_at, reach
from mlp_assets.spec.feature_view import FeatureView


def features_asset(scope: Scope, view: FeatureView) -> dg.AssetsDefinition:
    """The asset of a view's table: a partition holds the rows of the moment at which its window ends."""
    source_key = keys.source(scope.home(view.source), view.source)
    mapping = mapping_to_source(view) if view.source.ingested else None
    key = keys.features(scope.project.name, view)

    @scope.asset(
        key=key,
        deps=[dg.AssetDep(source_key, partition_mapping=mapping)],
        partitions_def=partitions_of(view.source, view.every),
        backfill_policy=BY_PARTITION,
        spec=view,
        kinds=["polars", "deltalake"],
        what=f"Features of {view.entity.name}.",
        functions=[view.derive],
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            windows = windows_of(context)
            check_ingested(context, scope, [view.source], windows)
            versions = source_versions(scope, [view.source])
            frame = _rows(scope, view, windows, next(iter(versions.values())))
            written = scope.environment.lake.write_partitions(keys.table(key), frame, [name for name, _ in windows])
        return dg.MaterializeResult(
            metadata=table_metadata(frame, written, versions)
            | cost.shown
            | {"dagster/column_lineage": lineage(scope, view)},
            data_version=dg.DataVersion(canonical_digest(frame)[:16]),
        )

    return compute


def _rows(scope: Scope, view: FeatureView, windows: list, version: int | None) -> pl.DataFrame:
    first, last = windows[0][1].end, windows[-1][1].end
    time = view.source.event_time
    events = source_rows(scope, view.source, version)
    events = events.filter(pl.col(time) >= first - reach(view), pl.col(time) < last).collect().lazy()
    frames = [features_at(view, events, window.end).with_columns(partition=pl.lit(name)) for name, window in windows]
    return pl.concat(frames)


def lineage(scope: Scope, view: FeatureView) -> dg.TableColumnLineage:
    """Each feature's source columns, read from the aggregations and expressions."""
    source_key = keys.source(scope.home(view.source), view.source)
    columns = {name: set(feature.columns or (view.source.event_time,)) for name, feature in view.features.items()}
    for name, expression in view.derived.items():
        columns[name] = {c for root in expression.meta.root_names() for c in columns.get(root, {root})}
    for key in view.entity.keys:
        columns[key] = {key}
    return column_lineage({name: [(source_key, c) for c in sorted(found)] for name, found in columns.items()})
