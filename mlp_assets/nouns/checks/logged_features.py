"""Checks of a training set that takes its features from the prediction log of an endpoint."""

from typing import TYPE_CHECKING, Final

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts

if TYPE_CHECKING:
    from mlp_assets.nouns.endpoint import Endpoint
    from mlp_assets.nouns.training_set import TrainingSet

PREDICTION_ID: Final = "prediction_id"
"""The column of the labels that says which prediction each is about."""


def logged_problems(training_set: "TrainingSet", endpoint: "Endpoint") -> list[Problem]:
    """Problems of the labels, views and request columns, given what the endpoint logs."""
    where, logged = training_set.where, endpoint.model.training_set
    problems: list[Problem] = []
    if training_set.labels.columns.get(PREDICTION_ID) != pl.String:
        what = f"labels {training_set.labels.name!r} do not say which prediction they are about"
        fix = f"Declare columns={{{PREDICTION_ID!r}: pl.String}} in them, with the ids that the endpoint answered."
        problems.append(Problem(where, what, fix))
    for view in training_set.features:
        if all(view is not other for other in logged.features):
            what = f"endpoint {endpoint.name!r} does not log the features of view {view.name!r}"
            hint = texts.did_you_mean(view.name, [other.name for other in logged.features])
            problems.append(Problem(where, what, f"{hint} Or leave features_from out."))
    return problems + [
        Problem(
            where,
            f"endpoint {endpoint.name!r} does not log the request column {name!r}",
            texts.did_you_mean(name, logged.request),
        )
        for name in training_set.request
        if name not in logged.request
    ]
