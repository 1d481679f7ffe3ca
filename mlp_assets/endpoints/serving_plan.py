"""The serving plan: all that a replica needs, compiled once from the specs, as plain JSON."""

from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import function_path
from mlp_assets.nouns.encoders import Vector
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope


def serving_plan(scope: Scope, endpoint: Endpoint, version: str, artifact: Path, digest: str) -> dict[str, Any]:
    """The plan by which the endpoint serves this version of its model."""
    training_set = endpoint.model.training_set
    columns = training_set.labels.columns
    return {
        "project": scope.project.name,
        "endpoint": endpoint.name,
        "route": endpoint.url_path,
        "keys": {key: _type_name(columns[key]) for key in training_set.keys},
        "request": {name: _type_name(columns[name]) for name in training_set.request},
        "views": [_view_plan(scope, view) for view in training_set.features],
        "derive": function_path(training_set.derive) if training_set.derive is not None else None,
        "inputs": list(endpoint.model.inputs),
        "numbers": list(training_set.numbers),
        "sizes": {name: one.size for name, one in endpoint.model.encode.items() if isinstance(one, Vector)},
        "model": {
            "name": f"{scope.home(endpoint.model)}.{endpoint.model.name}",
            "version": version,
            "path": str(artifact),
            "digest": digest,
        },
        "spool": scope.environment.spool_path(scope.project.name, endpoint.name),
        "max_rows": endpoint.max_rows,
        "max_body_bytes": 4 * 1024 * 1024,
        "task": endpoint.model.task,
        "target": training_set.target,
        "label": _label(endpoint),
        "refuses": list(endpoint.refuses),
    }


def _label(endpoint: Endpoint) -> str:
    """The type of what is predicted: that of the classes, as texts or whole numbers."""
    training_set = endpoint.model.training_set
    if endpoint.model.task != "multiclass":
        return "Float64"
    return "String" if training_set.labels.columns[training_set.target] == pl.String else "Int64"


def _view_plan(scope: Scope, view: FeatureView) -> dict[str, Any]:
    location = scope.environment.online.location(scope.home(view), view.name)
    return ViewPlan.of(view, location).to_json()


def _type_name(dtype: Any) -> str:
    return str(dtype).split("(")[0]
