"""TrainingSet -> a Delta table of labelled rows, each with only what was known at its own time."""

import dagster as dg

from mlp_assets.features.source_rows import source_rows, source_table, source_versions
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import column_lineage, markdown_table, measured, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.training_sets.compute.training_rows import Recipe, recipe
from mlp_assets.training_sets.leak_check import certificate, certificate_spec
from mlp_assets.training_sets.shard_writer import shown_splits, write_rows


def training_set_asset(scope: Scope, training_set: TrainingSet) -> dg.AssetsDefinition:
    """The asset of a training set. Its data version is the canonical digest of its rows."""
    key = keys.training_set(scope.project.name, training_set)
    views = [keys.features(scope.home(view), view) for view in training_set.features]
    labels = keys.source(scope.home(training_set.labels), training_set.labels)

    @scope.asset(
        key=key,
        deps=[labels, *views],
        check_specs=[certificate_spec(key)],
        spec=training_set,
        kinds=["polars", "deltalake"],
        what=f"Labelled rows for {training_set.target}, joined as known at each row's time.",
        functions=[training_set.derive],
    )
    def join() -> dg.MaterializeResult:
        with measured() as cost:
            versions = versions_read(scope, training_set)
            environment, rows = scope.environment, pinned(scope, training_set, versions)
            made = write_rows(rows, environment.lake, keys.table(key), environment.shards)
        return dg.MaterializeResult(
            metadata=table_metadata(made.first, made.written, versions)
            | cost.shown
            | {
                "dagster/row_count": made.rows,
                "digest": made.digest,
                "shards": made.shards,
                "shard_bytes": made.shard_bytes,
                "split": dg.MetadataValue.md(markdown_table(shown_splits(made.splits, training_set.target))),
                "dagster/column_lineage": _lineage(scope, training_set),
            },
            data_version=dg.DataVersion(made.digest[:16]),
            check_results=[certificate(scope, training_set, made.written.version, versions)],
        )

    return join


def versions_read(scope: Scope, training_set: TrainingSet) -> dict[str, int | None]:
    """The Delta version of everything that the training set is made of, pinned before anything is read."""
    lake = scope.environment.lake
    tables = [keys.table(keys.features(scope.home(view), view)) for view in training_set.features]
    return source_versions(scope, [training_set.labels]) | {str(table): lake.version(table) for table in tables}


def pinned(scope: Scope, training_set: TrainingSet, versions: dict[str, int | None]) -> Recipe:
    """What makes the rows of the training set at the versions."""
    labels = source_rows(scope, training_set.labels, versions[str(source_table(scope, training_set.labels))])
    return recipe(training_set, labels, [_feature_table(scope, view, versions) for view in training_set.features])


def _feature_table(scope: Scope, view, versions: dict[str, int | None]) -> FeatureTable:
    table = keys.table(keys.features(scope.home(view), view))
    rows = scope.environment.lake.scan(table, versions[str(table)])
    return FeatureTable(rows, tuple(view.entity.keys), view.feature_names, view.ttl_length)


def _lineage(scope: Scope, training_set: TrainingSet) -> dg.TableColumnLineage:
    label_key = keys.source(scope.home(training_set.labels), training_set.labels)
    found: dict[str, list[tuple[dg.AssetKey, str]]] = {
        name: [(label_key, name)] for name in (*training_set.keys, *training_set.request, training_set.target)
    }
    for view in training_set.features:
        view_key = keys.features(scope.home(view), view)
        found |= {name: [(view_key, name)] for name in view.feature_names}
    for name, expression in training_set.derived.items():
        found[name] = [origin for root in expression.meta.root_names() for origin in found.get(root, [])]
    return column_lineage(found)
