"""The serving plan: everything that a replica needs, compiled once from the specs, as plain JSON."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from mlp_assets.endpoints.served_views import served_view
from mlp_assets.errors import LostVersionError
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import function_path
from mlp_assets.nouns.encoders import Vector
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.stored_expressions import expressions_to_texts
from mlp_resources.ports.lake import Table

_MAX_BODY_BYTES = 4 * 1024 * 1024


def serving_plan(scope: Scope, endpoint: Endpoint, version: str, artifact: str, digest: str) -> dict[str, Any]:
    """The plan by which the endpoint serves this version of its model."""
    trained = TrainedDefinitions(scope, endpoint.model)
    views = [served_view(scope, trained, view, version) for view in endpoint.model.training_set.features]
    then = trained.model(version)
    return model_plan(scope, endpoint.model, endpoint.name, version, artifact, digest, then, views) | {
        "route": endpoint.url_path,
        "spool": scope.environment.spool_path(scope.project.name, endpoint.name),
        "max_rows": endpoint.max_rows,
        "max_body_bytes": _MAX_BODY_BYTES,
        "refuses": list(endpoint.refuses),
        "nullable": _nullable(scope, trained.training_table(version), then.training_set),
    }


def _nullable(scope: Scope, read: tuple[Table, int] | None, training_set: TrainingSet) -> list[str]:
    """The numbers of the request that were null in some row of training. In a request they may be null too."""
    names = [name for name in training_set.request if name in training_set.numbers]
    if read is None or not names:
        return []
    try:
        nulls = scope.environment.lake.scan(*read).select(pl.col(names).is_null().any()).collect(engine="streaming")
    except LostVersionError:
        return []
    return [name for name in names if nulls[name].item()]


def model_plan(
    scope: Scope,
    model: Model,
    name: str,
    version: str,
    artifact: str,
    digest: str,
    then: Model | None = None,
    views: Sequence[ViewPlan] | None = None,
) -> dict[str, Any]:
    """The part of a plan that is about the model and its columns.

    Args:
        name: of the endpoint or batch score that answers.
        then: the model as the version was trained; today's by default.
        views: how the views are looked up; by default nowhere.
    """
    home, model = scope.home(model), then or model
    training_set = model.training_set
    views = views or [ViewPlan.of(view, "") for view in training_set.features]
    texts = expressions_to_texts(training_set.derived)
    path = function_path(training_set.derive) if texts is None and training_set.derive is not None else None
    return {
        "project": scope.project.name,
        "endpoint": name,
        "keys": {key: _type_name(training_set.type_of(key)) for key in training_set.keys},
        "request": {name: _type_name(training_set.type_of(name)) for name in training_set.request},
        "views": [view.to_json() for view in views],
        "derive": path,
        "derived": texts or {},
        "inputs": list(model.inputs),
        "numbers": list(training_set.numbers),
        "sizes": {name: encoder.size for name, encoder in model.encode.items() if isinstance(encoder, Vector)},
        "model": {
            "name": f"{home}.{model.name}",
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
