"""Endpoint -> the live application, its predictions and its callers' feedback."""

from pathlib import Path

import dagster as dg

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.metadata import measured
from mlp_assets.build.plans import serving_plan
from mlp_assets.serving.drain import drained
from mlp_assets.serving.spool import FEEDBACK, PREDICTIONS, spooled_files
from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.errors import MlpError
from mlp_resources.ports import Transaction


def endpoint_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of a live endpoint: it serves what the alias ``champion`` names, whatever run materializes it."""
    model = endpoint.model
    views = [keys.online(scope.home(view), view) for view in model.training_set.features]

    @scope.asset(
        key=keys.endpoint(scope.project.name, endpoint),
        deps=[keys.champion(scope.home(model), model), *views],
        spec=endpoint,
        kinds=["ray"],
        what=f"Predictions of {model.name} over HTTP, in the Open Inference Protocol.",
    )
    def deploy() -> dg.MaterializeResult:
        environment = scope.environment
        with measured() as cost:
            name = keys.registered_model(scope.home(model), model)
            champion = environment.registry.champion(name)
            if champion is None:
                raise MlpError(f"{name} has no champion yet. Materialize its candidate and champion first.")
            artifact = environment.registry.download(name, champion.version)
            plan = serving_plan(scope, endpoint, champion.version, artifact, champion.digest)
            url = environment.serving.apply(plan, {"replicas": list(endpoint.replicas), "cpus": endpoint.cpus})
        return dg.MaterializeResult(
            metadata={
                "url": dg.MetadataValue.url(f"{url}/docs"),
                "infer": dg.MetadataValue.url(f"{url}/v2/models/{endpoint.name}/infer"),
                "model_version": champion.version,
                "artifact_digest": champion.digest,
            }
            | cost.shown,
            data_version=dg.DataVersion(f"{champion.version}-{champion.digest[:12]}"),
        )

    return deploy


def predictions_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of the prediction log: drains the endpoint's spool into its table, each line once."""
    return _drain_asset(scope, endpoint, PREDICTIONS, keys.predictions(scope.project.name, endpoint))


def feedback_asset(scope: Scope, endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of what callers told came true."""
    return _drain_asset(scope, endpoint, FEEDBACK, keys.feedback(scope.project.name, endpoint))


def _drain_asset(scope: Scope, endpoint: Endpoint, kind: str, key: dg.AssetKey) -> dg.AssetsDefinition:
    what = "Every prediction with its features and versions." if kind == PREDICTIONS else "Labels that callers sent."

    @scope.asset(
        key=key,
        deps=[keys.endpoint(scope.project.name, endpoint)],
        spec=endpoint,
        kinds=["polars", "deltalake"],
        what=what,
    )
    def drain() -> dg.MaterializeResult:
        with measured() as cost:
            folder = Path(scope.environment.spool_path(scope.project.name, endpoint.name))
            rows = sum(_drain_file(scope, file, kind, key) for file in spooled_files(folder, kind))
        version = scope.environment.lake.version(keys.table(key))
        return dg.MaterializeResult(
            metadata={"rows_drained": rows, "delta_version": version if version is not None else -1} | cost.shown,
            data_version=dg.DataVersion(f"delta:{version}"),
        )

    return drain


def _drain_file(scope: Scope, file: Path, kind: str, key: dg.AssetKey) -> int:
    lake, table, application = scope.environment.lake, keys.table(key), f"spool:{file.name}"
    offset, rows = lake.transaction(table, application) or 0, 0
    while (found := drained(file, offset, kind)) is not None:
        frame, offset = found
        lake.append(table, frame, Transaction(application, offset))
        rows += frame.height
    return rows
