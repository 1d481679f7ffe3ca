"""FeatureView -> a partitioned Delta table."""

from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.features.compute.lineage import source_columns
from mlp_assets.features.definitions.kept_table import keep_all_computed
from mlp_assets.features.feature_facts import FeatureFacts, describe_columns, record_facts
from mlp_assets.features.history.completeness import check_ingested, describe_missing_history
from mlp_assets.features.history.feed_rows import describe_unusual, rows_facts, rows_in_place
from mlp_assets.features.history.holes import computed_span, find_holes
from mlp_assets.features.moments.moments_to_compute import step_windows
from mlp_assets.features.partition_writer import ComputedPartitions, compute_partitions
from mlp_assets.features.source_rows import source_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY, USUAL_ROWS
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.facts import CODE_VERSION, DATA_VERSION
from mlp_assets.orchestration.history_checks import (
    complete_history_spec,
    materialized_partitions,
    usual_rows_spec,
    warning,
)
from mlp_assets.orchestration.metadata import Cost, column_lineage, markdown_table, measured, picture, table_metadata
from mlp_assets.orchestration.partitions import BY_PARTITION, Windows, input_dep, partitions_of, windows_of
from mlp_assets.orchestration.scope import Scope


def features_asset(scope: Scope, view: FeatureView) -> dg.AssetsDefinition:
    """The asset of a view's table: a partition holds the rows of the moments after its start, up to its end.

    A run computes its own partitions, and earlier ones that changes of the source have touched since.
    """
    key = keys.features(scope.project.name, view)
    in_place = view.source if isinstance(view.source, Source) and not view.source.ingested else None

    @scope.asset(
        key=key,
        deps=[input_dep(_source_key(scope, view), view.source)],
        partitions_def=partitions_of(view.root, view.every),
        backfill_policy=BY_PARTITION,
        check_specs=[complete_history_spec(key), *([usual_rows_spec(key)] if in_place is not None else [])],
        spec=view,
        kinds=["polars", "deltalake"],
        what=f"Features of {view.entity.name}.",
        functions=[view.derive],
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        materialized = context.instance.get_materialized_partitions
        with measured() as cost:
            windows = windows_of(context)
            _check_inputs(context, scope, view, step_windows(view, windows, scope.environment.now()))
            ingested = materialized(_source_key(scope, view))
            computed = compute_partitions(scope, view, windows, materialized(key), ingested)
            facts = record_facts(scope, view, computed.newest, computed.written)
            keep_all_computed(scope, view, windows, materialized(key) | set(computed.sums), ingested)
        for partition in computed.touched:
            context.log_event(_recomputed(key, partition, computed, code_version(view, view.derive)))
        return dg.MaterializeResult(
            metadata=_metadata(scope, view, computed, facts, cost),
            data_version=dg.DataVersion(computed.digest[:16]),
            check_results=[
                _history(context, scope, view, key),
                *([_feed(scope, view, in_place, windows, computed)] if in_place is not None else []),
            ],
        )

    return compute


def _check_inputs(context: dg.AssetExecutionContext, scope: Scope, view: FeatureView, windows: Windows) -> None:
    """Raises LakeError if a partition's own input is missing. Logs a warning if an earlier one is."""

    materialized = materialized_partitions(scope, context.instance)
    whole = not Moments.of(view).shorter_than_a_day
    check_ingested(scope, [view.source], windows, materialized, steps=whole)
    missing = describe_missing_history(scope, view, windows, materialized)
    if missing is not None:
        context.log.warning(missing)


def _history(
    context: dg.AssetExecutionContext, scope: Scope, view: FeatureView, key: dg.AssetKey
) -> dg.AssetCheckResult:
    """Whether the table has a hole, or a window of its moments reads one."""
    holes = find_holes(scope, view, computed_span(scope, view), materialized_partitions(scope, context.instance))
    return warning(key, COMPLETE_HISTORY, holes.describe(scope.project.name) if holes else None, holes.facts)


def _feed(
    scope: Scope, view: FeatureView, source: Source, windows: Windows, computed: ComputedPartitions
) -> dg.AssetCheckResult:
    """Whether a source that is read in place brought the usual rows; one that is ingested has this check itself."""
    rows = rows_in_place(scope, view, windows, computed.versions[str(source_table(scope, source))])
    key = keys.features(scope.project.name, view)
    return warning(key, USUAL_ROWS, describe_unusual(source, rows), rows_facts(rows))


def _source_key(scope: Scope, view: FeatureView) -> dg.AssetKey:
    return keys.view_input(scope.home(view.source), view.source)


def _recomputed(
    key: dg.AssetKey, partition: str, computed: ComputedPartitions, version: str
) -> dg.AssetMaterialization:
    """The materialization of a partition that the run was not asked for."""
    sums = computed.sums[partition]
    metadata = {"dagster/row_count": sums.rows, "delta_version": computed.written.version}
    tags = {DATA_VERSION: sums.digest()[:16], CODE_VERSION: version}
    return dg.AssetMaterialization(key, partition=partition, metadata=metadata, tags=tags)


def _metadata(
    scope: Scope, view: FeatureView, computed: ComputedPartitions, facts: FeatureFacts | None, cost: Cost
) -> dict[str, Any]:
    return (
        (_facts_metadata(view, facts) if facts is not None else {})
        | table_metadata(computed.newest, computed.written, computed.versions)
        | cost.shown
        | {
            "dagster/column_schema": _column_schema(view, computed.newest.schema),
            "dagster/column_lineage": lineage(scope, view),
            "dagster/row_count": computed.rows,
            "batches": computed.batches,
            "touched_by_late_data": dg.MetadataValue.json(list(computed.touched)),
        }
    )


def _facts_metadata(view: FeatureView, facts: FeatureFacts) -> dict[str, Any]:
    """The picture comes first: the UI shows metadata in this order."""
    return {
        "picture": picture(facts.picture),
        "statistics": dg.MetadataValue.md(markdown_table(facts.table)),
        "statistics_of": facts.partition,
        "newest_row": facts.newest_row,
        "fresh_within": view.fresh_within or "not declared",
    }


def _column_schema(view: FeatureView, schema: pl.Schema) -> dg.TableSchema:
    described = describe_columns(view)
    columns: list[dg.TableColumn] = []
    for name, dtype in schema.items():
        description, tags = described.get(name, (None, {}))
        columns.append(dg.TableColumn(name, str(dtype), description=description, tags=dict(tags)))
    return dg.TableSchema(columns)


def lineage(scope: Scope, view: FeatureView) -> dg.TableColumnLineage:
    """Each feature's source columns, read from the aggregations and expressions."""
    source_key = _source_key(scope, view)
    columns = source_columns(view) | {key: (key,) for key in view.entity.keys}
    return column_lineage({name: [(source_key, column) for column in read] for name, read in columns.items()})
