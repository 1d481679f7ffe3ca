"""Endpoint -> the live application, its prediction log, and its callers' feedback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.endpoints.repeated_requests import without_repeats
from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.spool import FEEDBACK, PREDICTIONS, count_set_aside, is_complete, spooled_files
from mlp_assets.endpoints.serving_plan import model_plan, serving_plan
from mlp_assets.endpoints.skew.even_sample import EvenSample
from mlp_assets.endpoints.skew.report import SkewReport
from mlp_assets.endpoints.skew.skew_check import ROWS, check_skew
from mlp_assets.errors import LakeError, MlpError
from mlp_assets.jobs.local_folder import local_folder
from mlp_assets.models.promotions import champion
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_assets.orchestration.facts import drained_version
from mlp_assets.orchestration.metadata import column_lineage, column_schema, markdown_table, measured, picture
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Lake, Table, Transaction
from mlp_resources.ports.serving import NotServedError

_SKEW = "Logged features equal what the offline path gives for the same rows and versions, and the versions are right."
_RECENT = 20
_NOT_JUDGED = "not judged: no predictions were drained yet"


def endpoint_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of a live endpoint. It serves the champion, whatever run materializes it.

    Where the environment serves no endpoints, the run says so, and nothing after it runs.
    """
    model = endpoint.model
    views = [keys.online(scope.home(view), view) for view in model.training_set.features]

    @scope.asset(
        key=keys.endpoint(scope.project.name, endpoint),
        deps=[keys.champion(scope.home(model), model), *views],
        spec=endpoint,
        kinds=["ray"],
        what=f"Predictions of {model.name} over HTTP, in the Open Inference Protocol.",
        output_required=False,
    )
    def deploy(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        environment = scope.environment
        with measured() as cost:
            live = champion(scope, model)
            if live is None:
                name = keys.registered_model(scope.home(model), model)
                raise MlpError(f"{name} has no champion yet. Materialize its candidate and champion first.")
            artifact = environment.registry.artifact(live)
            plan = serving_plan(scope, endpoint, live.version, artifact, live.digest)
            try:
                url = environment.serving.apply(plan, {"replicas": list(endpoint.replicas), "cpus": endpoint.cpus})
            except NotServedError as error:
                context.log.warning(str(error))
                return
        yield dg.MaterializeResult(
            metadata={
                "url": dg.MetadataValue.url(f"{url}/docs"),
                "infer": dg.MetadataValue.url(f"{url}/v2/models/{endpoint.name}/infer"),
                "model_version": live.version,
                "artifact_digest": live.digest,
            }
            | cost.shown,
            data_version=dg.DataVersion(f"{live.version}-{live.digest[:12]}"),
        )

    return deploy


def predictions_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of the prediction log: moves every line of the endpoint's spool to its table, once."""
    return _drain_asset(scope, endpoint, PREDICTIONS, keys.predictions(scope.project.name, endpoint))


def feedback_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of the labels that callers sent."""
    return _drain_asset(scope, endpoint, FEEDBACK, keys.feedback(scope.project.name, endpoint))


def _drain_asset(scope: Scope, endpoint: Endpoint, kind: str, key: dg.AssetKey) -> dg.AssetsDefinition:
    what = "Every prediction with its features and versions." if kind == PREDICTIONS else "Labels that callers sent."
    views = endpoint.model.training_set.features if kind == PREDICTIONS else ()
    looked_up = {name: [(keys.online(scope.home(view), view), name)] for view in views for name in view.feature_names}

    @scope.asset(
        key=key,
        deps=[keys.endpoint(scope.project.name, endpoint)],
        check_specs=[dg.AssetCheckSpec(FEATURE_SKEW, asset=key, description=_SKEW)] if views else [],
        spec=endpoint,
        kinds=["polars", "deltalake"],
        what=what,
    )
    def drain(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        lake, table, sample = scope.environment.lake, keys.table(key), EvenSample(ROWS)
        with measured() as cost:
            folder = local_folder(scope.environment.spool_path(scope.project.name, endpoint.name))
            written = [
                append
                for file in spooled_files(folder, kind)
                for append in _drain_file(lake, file, kind, table, sample)
            ]
            if written:  # a compaction without new rows would be news to sensors
                _compact(context, lake, table)
            version = lake.version(table)
            facts = _table_facts(lake, table, version) if version is not None else {}
            facts |= {"dagster/column_lineage": column_lineage(looked_up)} if looked_up else {}
        metadata = {
            "rows_drained": sum(rows for rows, _, _ in written),
            "rows_repeated": sum(repeated for _, repeated, _ in written),
            "lines_set_aside": count_set_aside(folder, kind),
            "bytes": sum(size for _, _, size in written),
            "spool": dg.MetadataValue.path(str(folder)),
        }
        return dg.MaterializeResult(
            metadata=metadata | facts | cost.shown,
            data_version=dg.DataVersion(drained_version(version)),
            check_results=[_skew_result(context, scope, endpoint, key, sample)] if views else [],
        )

    return drain


def _compact(context: dg.AssetExecutionContext, lake: Lake, table: Table) -> None:
    """Merges the small files that drains leave. The next drain does what this one cannot."""
    try:
        lake.compact(table)
    except LakeError as error:
        context.log.warning(f"Small files of {table} were not merged: {error}")


def _drain_file(lake: Lake, file: Path, kind: str, table: Table, sample: EvenSample) -> Iterator[tuple[int, int, int]]:
    """Moves the new lines of one file, and removes a complete file at its end.

    Yields:
        Of each append the rows, those that it left out because a request was sent again, and the bytes.
    """
    application, complete = f"spool:{file.name}", is_complete(file)  # before reading: a later line must not be lost
    offset = lake.transaction(table, application) or 0
    while (read := read_rows(file, offset, kind)) is not None:
        lines, end = read
        frame = without_repeats(lake, table, lines) if kind == PREDICTIONS else lines
        written = lake.append(table, frame, Transaction(application, end, after=offset))
        if written.changed:
            sample.add(frame)
            yield frame.height, lines.height - frame.height, written.bytes
        offset = lake.transaction(table, application) or 0
    if complete:
        file.unlink(missing_ok=True)


def _table_facts(lake: Lake, table: Table, version: int) -> dict[str, Any]:
    rows = lake.scan(table, version)
    return {
        "dagster/row_count": rows.select(pl.len()).collect().item(),
        "delta_version": version,
        "dagster/column_schema": column_schema(rows.collect_schema()),
        "preview": dg.MetadataValue.md(markdown_table(rows.head(5).collect())),
    }


def _skew_result(
    context: dg.AssetExecutionContext, scope: Scope, endpoint: Endpoint, key: dg.AssetKey, sample: EvenSample
) -> dg.AssetCheckResult:
    """The check of what was drained. If that is nothing, the result of the drain before stands."""
    if not sample.seen:
        return _last_result(context.instance, key)
    plan = ModelPlan.from_json(model_plan(scope, endpoint.model, endpoint.name, "", "", ""))
    with measured() as cost:
        try:
            report = check_skew(scope, endpoint, plan, sample)
        except Exception as error:  # the predictions are drained: a check that cannot be made must not undo that
            context.log.exception("The drained predictions could not be checked for skew.")
            message = f"{endpoint.where}: not judged, {type(error).__name__}: {error}"
            return _result(passed=False, description=message, metadata={"rows_drained": sample.seen})
    description = f"{endpoint.where}: {report.message}" if not report.passed else None
    metadata = _skew_metadata(report) | {"check_seconds": cost.shown["seconds"]}
    return _result(passed=report.passed, description=description, metadata=metadata)


def _result(*, passed: bool, description: str | None, metadata: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=FEATURE_SKEW,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def _last_result(instance: dg.DagsterInstance, key: dg.AssetKey) -> dg.AssetCheckResult:
    storage = instance.event_log_storage
    records = storage.get_asset_check_execution_history(dg.AssetCheckKey(key, FEATURE_SKEW), limit=_RECENT)
    events = [record.event for record in records if record.event is not None]  # of this run and killed ones: a plan
    last = next((event.asset_check_evaluation for event in events if event.asset_check_evaluation is not None), None)
    if last is None:
        return _result(passed=True, description=None, metadata={"message": _NOT_JUDGED})
    return _result(passed=last.passed, description=last.description, metadata=last.metadata)


def _skew_metadata(report: SkewReport) -> dict[str, Any]:
    return {
        "rows_drained": report.drained,
        "rows_compared": report.compared,
        "values_compared": report.compared * len(report.features),
        "differences": report.differences,
        "rows_of_other_versions": sum(map(len, report.versions.values())),
        "rows_in_store_outages": dg.MetadataValue.json(dict(report.outages)),
        "rows_not_judged": dg.MetadataValue.json(dict(report.not_judged)),
        "features": dg.MetadataValue.md(markdown_table(report.feature_table())),
        "other_versions": dg.MetadataValue.md(markdown_table(report.version_table())),
        "picture": picture(report.picture()),
    }
