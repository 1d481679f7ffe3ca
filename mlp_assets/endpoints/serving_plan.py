"""The serving plan: everything that a replica needs, compiled once from the specs, as plain JSON."""

from collections.abc import Mapping
from typing import Any

from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import function_path
from mlp_assets.nouns.encoders import Vector
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration.scope import Scope

_MAX_BODY_BYTES = 4 * 1024 * 1024


def serving_plan(scope: Scope, endpoint: Endpoint, version: str, artifact: str, digest: str) -> dict[str, Any]:
    """The plan by which the endpoint serves this version of its model."""
    online = scope.environment.online
    views = endpoint.model.training_set.features
    locations = {view.name: online.location(scope.home(view), view.name) for view in views}
    return model_plan(scope, endpoint.model, endpoint.name, version, artifact, digest, locations) | {
        "route": endpoint.url_path,
        "spool": scope.environment.spool_path(scope.project.name, endpoint.name),
        "max_rows": endpoint.max_rows,
        "max_body_bytes": _MAX_BODY_BYTES,
        "refuses": list(endpoint.refuses),
    }


def model_plan(
    scope: Scope,
    model: Model,
    name: str,
    version: str,
    artifact: str,
    digest: str,
    locations: Mapping[str, str],
) -> dict[str, Any]:
    """The part of a plan that is about the model and its columns.

    Args:
        name: of the endpoint or batch score that answers.
        locations: view -> its address in the online store.
    """
    training_set = model.training_set
    columns = training_set.labels.columns
    views = [ViewPlan.of(view, locations.get(view.name, "")) for view in training_set.features]
    return {
        "project": scope.project.name,
        "endpoint": name,
        "keys": {key: _type_name(columns[key]) for key in training_set.keys},
        "request": {name: _type_name(columns[name]) for name in training_set.request},
        "views": [view.to_json() for view in views],
        "derive": function_path(training_set.derive) if training_set.derive is not None else None,
        "inputs": list(model.inputs),
        "numbers": list(training_set.numbers),
        "sizes": {name: encoder.size for name, encoder in model.encode.items() if isinstance(encoder, Vector)},
        "model": {
            "name": f"{scope.home(model)}.{model.name}",
            "version": version,
            "path": artifact,
            "digest": digest,
        },
        "task": model.task,
        "target": training_set.target,
        "label": _label(model),
    }


def _label(model: Model) -> str:
    """The type of the prediction: that of the classes, as texts or whole numbers, or Float64."""
    return model.task_kind.label_type(model.training_set.labels.columns[model.training_set.target])


def _type_name(dtype: Any) -> str:
    return str(dtype).split("(")[0]
