"""TrainingSet -> a Delta table of labelled rows, each with only what a request at its time would have been given."""

from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.definitions.trained import derived_notes
from mlp_assets.features.feature_facts import describe_columns
from mlp_assets.features.source_rows import source_rows, source_table, source_versions
from mlp_assets.metrics.labels import no_labels
from mlp_assets.nouns.checks.texts import moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY, LEAK_CERTIFICATE
from mlp_assets.orchestration.history_checks import complete_history_spec, materialized_partitions, warning
from mlp_assets.orchestration.metadata import column_lineage, column_schema, markdown_table, measured, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.outages import count_at_moments, count_touched, outages
from mlp_assets.publications.visibility import Versions, record_versions, row_visibility
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.training_sets.compute.training_rows import Recipe, make_recipe
from mlp_assets.training_sets.leak_check import LeakReport, check_leaks
from mlp_assets.training_sets.logged_labels import log_table, read_logged
from mlp_assets.training_sets.rows_over_holes import rows_over_holes
from mlp_assets.training_sets.shard_writer import summarize_splits, write_rows

_CHECK = "Sampled rows, recomputed from the raw events that were known at each row's time, equal what was written."

_AT_A_MOMENT = (
    "These labels lie exactly at a moment of a view, before its publication, and see the moment before. "
    "If requests come after the publication, give the labels the later time."
)


def training_set_asset(scope: Scope, training_set: TrainingSet) -> dg.AssetsDefinition:
    """The asset of a training set. Its data version is the canonical digest of its rows."""
    key = keys.training_set(scope.project.name, training_set)
    endpoint = training_set.logged_by
    views = [keys.features(scope.home(view), view) for view in training_set.features]
    logged = [keys.predictions(scope.home(endpoint), endpoint)] if endpoint is not None else []
    labels = keys.source(scope.home(training_set.labels), training_set.labels)

    @scope.asset(
        key=key,
        deps=[labels, *views, *logged],
        check_specs=[
            dg.AssetCheckSpec(LEAK_CERTIFICATE, asset=key, description=_CHECK, blocking=True),
            complete_history_spec(key),
        ],
        spec=training_set,
        kinds=["polars", "deltalake"],
        what=f"Labelled rows for {training_set.target}, {_how_joined(training_set)}.",
        functions=[training_set.derive],
    )
    def join(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            versions = versions_read(scope, training_set)
            environment, recipe = scope.environment, pinned_recipe(scope, training_set, versions)
            notes = derived_notes(training_set)
            result = write_rows(recipe, environment.lake, keys.table(key), environment.shards, notes=notes)
        with measured() as checking:
            times = recipe.spine.select(recipe.time).collect(engine="streaming").to_series().sort()
            report = check_leaks(scope, training_set, result.written.version, versions)
        return dg.MaterializeResult(
            metadata={
                "split": dg.MetadataValue.md(markdown_table(summarize_splits(result.splits, training_set.target)))
            }
            | table_metadata(result.first, result.written, versions)
            | cost.shown
            | {
                "check_seconds": checking.shown["seconds"],
                "dagster/column_schema": column_schema(result.first.schema, _descriptions(training_set)),
                "dagster/row_count": result.rows,
                "digest": result.digest,
                "shards": result.shards,
                "shard_bytes": result.shard_bytes,
                **_timing(scope, training_set, times, versions),
                **_left_out(scope, training_set, versions),
                "dagster/column_lineage": _lineage(scope, training_set),
            },
            data_version=dg.DataVersion(result.digest[:16]),
            check_results=[
                _check_result(training_set, key, report),
                _history(context, scope, training_set, recipe, times),
            ],
        )

    return join


def _how_joined(training_set: TrainingSet) -> str:
    endpoint = training_set.logged_by
    if endpoint is not None:
        return f"with what {endpoint.name} logged with each prediction"
    return f"joined as {training_set.availability} at each row's time"


def require_leak_check(instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
    """Raises LakeError when the newest leak check of this training set failed, in whichever run."""
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, LEAK_CERTIFICATE))
    evaluation = record.event.asset_check_evaluation if record is not None and record.event is not None else None
    if evaluation is not None and not evaluation.passed:
        raise LakeError(f"{evaluation.description} Fix it, and materialize {key.to_user_string()} again.")


def versions_read(scope: Scope, training_set: TrainingSet) -> dict[str, int | None]:
    """Table -> its Delta version now, for each table that the training set reads. Pin them before reading."""
    lake = scope.environment.lake
    tables = [keys.table(keys.features(scope.home(view), view)) for view in training_set.features]
    versions = source_versions(scope, [training_set.labels]) | {str(table): lake.version(table) for table in tables}
    if training_set.logged_by is not None:
        log = log_table(scope, training_set.logged_by)
        return versions | {str(log): lake.version(log)}
    if training_set.availability == "served":
        versions |= record_versions(scope.environment, scope.project, training_set.features)
    return versions


def pinned_recipe(scope: Scope, training_set: TrainingSet, versions: Versions) -> Recipe:
    """The recipe of the training set's rows over the tables at these versions."""
    if training_set.logged_by is not None:
        return make_recipe(training_set, read_logged(scope, training_set, training_set.logged_by, versions).joined, ())
    labels = source_rows(scope, training_set.labels, versions[str(source_table(scope, training_set.labels))])
    tables = [_feature_table(scope, training_set, view, versions) for view in training_set.features]
    return make_recipe(training_set, labels, tables)


def _timing(scope: Scope, training_set: TrainingSet, times: pl.Series, versions: Versions) -> dict[str, Any]:
    """How the labels meet the publications of the views, or the log."""
    if training_set.logged_by is not None:
        return read_logged(scope, training_set, training_set.logged_by, versions).facts
    facts: dict[str, Any] = {"availability": training_set.availability}
    at_moments = [count_at_moments(times, view) for view in training_set.features]
    if training_set.availability != "known" and any(at_moments):
        facts["labels_at_a_moment"] = max(at_moments)
        facts["labels_at_a_moment_message"] = _AT_A_MOMENT
    if training_set.availability == "served":
        spans = [outages(scope.environment, scope.project, view, versions) for view in training_set.features]
        facts["labels_in_outages"] = count_touched(times, spans)
    return facts


def _left_out(scope: Scope, training_set: TrainingSet, versions: Versions) -> dict[str, Any]:
    """How many rows of the labels' table have no label, and what they hold instead."""
    labels = source_rows(scope, training_set.labels, versions[str(source_table(scope, training_set.labels))])
    if training_set.since is not None:
        labels = labels.filter(pl.col(training_set.labels.event_time) >= moment(training_set.since))
    left_out = no_labels(labels, training_set.target)
    return {"labels_left_out": dg.MetadataValue.json(left_out)} if left_out else {}


def _check_result(training_set: TrainingSet, key: dg.AssetKey, report: LeakReport) -> dg.AssetCheckResult:
    problems = report.problems
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=LEAK_CERTIFICATE,
        passed=not problems,
        description=f"{training_set.where} must not be trained on: {'; '.join(problems)}." if problems else None,
        metadata={
            "rows_recomputed": report.rows_recomputed,
            "values_compared": report.values_compared,
            "leaks": dg.MetadataValue.md(markdown_table(report.table()) if problems else "none"),
        },
    )


def _feature_table(scope: Scope, training_set: TrainingSet, view: FeatureView, versions: Versions) -> FeatureTable:
    table = keys.table(keys.features(scope.home(view), view))
    rows = scope.environment.lake.scan(table, versions[str(table)])
    visible = row_visibility(scope.environment, scope.project, view, training_set.availability, versions)
    return FeatureTable.of(view, rows, visible)


def _descriptions(training_set: TrainingSet) -> dict[str, str]:
    """Column -> what it holds."""
    described = dict.fromkeys(training_set.request, "Sent with the request.")
    described |= dict.fromkeys(training_set.derived, "Computed by derive.")
    described |= {
        name: f"{view.name}: {text}"
        for view in training_set.features
        for name, (text, _) in describe_columns(view).items()
    }
    return described | {
        **dict.fromkeys(training_set.keys, "Key."),
        training_set.target: "The target.",
        "at": "When the prediction is asked for.",
        "known_at": "When the target became known.",
        "split": "The part of the split.",
    }


def _history(
    context: dg.AssetExecutionContext, scope: Scope, training_set: TrainingSet, recipe: Recipe, times: pl.Series
) -> dg.AssetCheckResult:
    """Whether rows read moments that were never computed. What a log holds was served, whatever the tables lack."""
    views = training_set.features if training_set.logged_by is None else ()
    materialized = materialized_partitions(scope, context.instance)
    over = rows_over_holes(scope, views, recipe.tables, times, materialized)
    key = keys.training_set(scope.project.name, training_set)
    return warning(key, COMPLETE_HISTORY, over.describe(scope.project.name), {"rows_over_holes": over.rows})


def _lineage(scope: Scope, training_set: TrainingSet) -> dg.TableColumnLineage:
    label_key = keys.source(scope.home(training_set.labels), training_set.labels)
    endpoint = training_set.logged_by
    logged = keys.predictions(scope.home(endpoint), endpoint) if endpoint is not None else None
    sent = (*training_set.keys, *training_set.request)
    lineage: dict[str, list[tuple[dg.AssetKey, str]]] = {name: [(logged or label_key, name)] for name in sent}
    lineage[training_set.target] = [(label_key, training_set.target)]
    for view in training_set.features:
        view_key = logged or keys.features(scope.home(view), view)
        lineage |= {name: [(view_key, name)] for name in view.feature_names}
    for name, expression in training_set.derived.items():
        lineage[name] = [origin for root in expression.meta.root_names() for origin in lineage.get(root, [])]
    return column_lineage(lineage)
