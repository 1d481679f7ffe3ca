"""XGBoost boosters, classifiers and regressors, in XGBoost's UBJSON format."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Inputs, Stored, check_order, comes_from, shown_type

_FILE = "model.ubj"
# The objectives of a model that answers with probabilities. A booster of one's own objective has XGBoost's default.
_OBJECTIVES = {"binary": ("binary:logistic", "reg:logistic"), "multiclass": ("multi:softprob",)}


class Xgboost:
    """A booster, or a fitted scikit-learn wrapper of one; after early stopping, the trees up to the best iteration."""

    def owns(self, model: Any) -> bool:
        return comes_from(model, "xgboost")

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        import xgboost
        from sklearn.exceptions import NotFittedError

        try:
            booster = model.get_booster() if isinstance(model, xgboost.XGBModel) else model
        except NotFittedError:
            raise ExportError(
                f"train returned a {shown_type(model)} that is not fitted. Return what fit(...) returns."
            ) from None
        if not isinstance(booster, xgboost.Booster):
            raise ExportError(f"train returned a {shown_type(model)}. Return a Booster, XGBClassifier or XGBRegressor.")
        _check_categories(model, booster)
        _check_missing(model)
        _check_objective(booster, task)
        check_order(model, booster.feature_names, columns)
        booster.save_model(str(directory / _FILE))
        return Stored("xgboost", _FILE, lambda rows: _predict(model, booster, rows, task))


def _check_categories(model: Any, booster: Any) -> None:
    """pandas numbers the categories of a column from 0 on; a request is encoded by the platform's encoders."""
    if booster.feature_names is not None and "c" in (booster.feature_types or ()):
        names = [name for name, kind in zip(booster.feature_names, booster.feature_types, strict=True) if kind == "c"]
        raise ExportError(
            f"The {shown_type(model)} was fitted on categories of named columns ({', '.join(names[:5])}). pandas gives "
            "them codes of its own, which are not the numbers that requests are encoded to: it would answer for other "
            "categories. Fit it on run.train.x, which is encoded already, with enable_categorical=True and "
            "feature_types=['c' if name in run.categories else 'q' for name in run.features], and without the names."
        )


def _check_missing(model: Any) -> None:
    missing = getattr(model, "missing", math.nan)
    if missing is not None and not math.isnan(missing):
        raise ExportError(
            f"The {shown_type(model)} takes {missing:g} as missing, which a stored model does not remember. A missing "
            "value is NaN in run.train.x and in requests: leave missing out."
        )


def _check_objective(booster: Any, task: Task) -> None:
    if not task.has_classes:
        return
    objective, wanted = json.loads(booster.save_config())["learner"]["objective"]["name"], _OBJECTIVES[task.name]
    if objective not in wanted:
        raise ExportError(
            f"The XGBoost model has the objective {objective!r} (or one of its own), whose answers are not "
            f"probabilities, and the model's task is {task.name!r}. Train with objective={wanted[0]!r}, or write the "
            "model as an mlp.OwnModel whose predict turns the answers into probabilities."
        )


def _predict(model: Any, booster: Any, rows: Inputs, task: Task) -> Any:
    import xgboost

    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(rows, validate_features=False)
        return probabilities if task.many_classes else probabilities[:, 1]
    if model is not booster:
        return model.predict(rows, validate_features=False)
    best = booster.attr("best_iteration")
    trees = (0, int(best) + 1) if best is not None else (0, 0)
    types = booster.feature_types
    matrix = cast("Any", xgboost).DMatrix(rows, feature_types=types, enable_categorical="c" in (types or ()))
    return booster.predict(matrix, iteration_range=trees, validate_features=False)
