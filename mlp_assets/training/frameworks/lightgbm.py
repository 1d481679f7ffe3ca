"""LightGBM boosters, classifiers and regressors, in LightGBM's text format."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import (
    ExportError,
    Inputs,
    Stored,
    check_order,
    comes_from,
    shown_type,
)

_FILE = "model.txt"
# The objectives of a model that answers with probabilities. LightGBM writes none for an objective of one's own.
_OBJECTIVES = {"binary": ("binary", "cross_entropy"), "multiclass": ("multiclass", "multiclassova")}


class Lightgbm:
    """A booster, or a fitted scikit-learn wrapper of one."""

    def owns(self, model: Any) -> bool:
        return comes_from(model, "lightgbm")

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        from lightgbm import Booster, LGBMModel

        if isinstance(model, LGBMModel) and not model.__sklearn_is_fitted__():
            raise ExportError(f"train returned a {shown_type(model)} that is not fitted. Return what fit(...) returns.")
        booster = model.booster_ if isinstance(model, LGBMModel) else model
        if not isinstance(booster, Booster):
            raise ExportError(
                f"train returned a {shown_type(model)}. Return a Booster, LGBMClassifier or LGBMRegressor."
            )
        _check_categories(model, booster)
        _check_objective(booster, task)
        check_order(model, booster.feature_name(), columns)
        booster.save_model(str(directory / _FILE))
        return Stored("lightgbm", _FILE, lambda rows: _predict(model, rows, task))


def _check_categories(model: Any, booster: Any) -> None:
    """pandas numbers the categories of a column from 0 on; a request is encoded by the platform's encoders."""
    if booster.pandas_categorical:
        raise ExportError(
            f"The {shown_type(model)} was fitted on pandas categories ({_listed(booster.pandas_categorical)}), whose "
            "codes are not the numbers that requests are encoded to: it would answer for other categories. Fit it on "
            "run.train.x, which is encoded already, and name the columns: "
            "categorical_feature=[run.features.index(name) for name in run.categories]."
        )


def _listed(categories: Sequence[Sequence[Any]]) -> str:
    return "; ".join(
        ", ".join(map(str, values[:3])) + (", ..." if len(values) > 3 else "") for values in categories[:2]
    )


def _check_objective(booster: Any, task: Task) -> None:
    if not task.has_classes:
        return
    lines = booster.model_to_string(num_iteration=1).splitlines()
    written = next((line.partition("=")[2] for line in lines if line.startswith("objective=")), "")
    wanted = _OBJECTIVES[task.name]
    if written.partition(" ")[0] not in wanted:
        objective = f"the objective {written.partition(' ')[0]!r}" if written else "an objective of its own"
        raise ExportError(
            f"The LightGBM model has {objective}, whose answers are not probabilities, and the model's task is "
            f"{task.name!r}. Train with objective={wanted[0]!r}, or write the model as an mlp.OwnModel whose predict "
            "turns the answers into probabilities."
        )


def _predict(model: Any, rows: Inputs, task: Task) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that rows have no names where the training rows had some
        if not hasattr(model, "predict_proba"):
            return model.predict(rows.astype(np.float64), num_threads=1)
        probabilities = model.predict_proba(rows.astype(np.float64), num_threads=1)
    return probabilities if task.many_classes else probabilities[:, 1]
