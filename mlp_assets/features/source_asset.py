"""Source -> an asset that ingests one partition at a time, or a spec of a table that someone else writes."""

import dagster as dg

from mlp_assets.features.history.completeness import check_ingested
from mlp_assets.features.history.feed_rows import describe_unusual, rows_facts, rows_ingested
from mlp_assets.features.moments.moments_to_compute import step_windows
from mlp_assets.features.source_rows import source_rows, source_table, source_versions
from mlp_assets.features.source_writer import ingest_partitions
from mlp_assets.features.table_notes import check_grid
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import USUAL_ROWS
from mlp_assets.orchestration.history_checks import materialized_partitions, usual_rows_spec, warning
from mlp_assets.orchestration.metadata import column_schema, measured, table_metadata
from mlp_assets.orchestration.partitions import BY_PARTITION, input_dep, partitions_of, windows_of
from mlp_assets.orchestration.scope import Scope


def source_asset(scope: Scope, source: Source) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of a source: ingested by the project, or written by someone else and read in place."""
    return _ingested(scope, source) if source.ingested else _external(scope, source)


def _external(scope: Scope, source: Source) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.source(scope.home(source), source),
        group_name=scope.project.name,
        owners=[source.owner or scope.project.owner],
        kinds={"deltalake" if source.delta else "parquet"},
        description=source.description or f"The table {source.name}.",
        metadata={
            "location": source.delta or source.parquet or "",
            "dagster/column_schema": column_schema(source.columns),
        },
    )


def _ingested(scope: Scope, source: Source) -> dg.AssetsDefinition:
    key = keys.source(scope.home(source), source)

    @scope.asset(
        key=key,
        deps=[input_dep(keys.source(scope.home(other), other), other) for other in source.inputs],
        partitions_def=partitions_of(source, source.every),
        backfill_policy=BY_PARTITION,
        check_specs=[usual_rows_spec(key)],
        spec=source,
        kinds=["polars", "deltalake"],
        what=f"Rows of {source.name}, ingested as they become known.",
        functions=[source.read],
    )
    def ingest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        materialized = materialized_partitions(scope, context.instance)
        with measured() as cost:
            windows = windows_of(context)
            check_grid(scope, source, keys.table(key))
            read, whole = (
                step_windows(source, windows, scope.environment.now()),
                not Moments.of(source).shorter_than_a_day,
            )
            check_ingested(scope, source.inputs, read, materialized, steps=whole)
            versions = source_versions(scope, source.inputs)
            inputs = [source_rows(scope, other, versions[str(source_table(scope, other))]) for other in source.inputs]
            ingested = ingest_partitions(scope, source, windows, inputs, materialized(source))
            rows = rows_ingested(scope, source, windows, materialized(source))
        return dg.MaterializeResult(
            metadata=table_metadata(ingested.first, ingested.written, versions)
            | cost.shown
            | {"dagster/row_count": ingested.sums.rows, "groups": ingested.groups},
            data_version=dg.DataVersion(ingested.sums.digest()[:16]),
            check_results=[warning(key, USUAL_ROWS, describe_unusual(source, rows), rows_facts(rows))],
        )

    return ingest
