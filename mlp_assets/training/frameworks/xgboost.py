"""XGBoost boosters, classifiers and regressors, in XGBoost's UBJSON format."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Inputs, Stored, comes_from, shown_type

_FILE = "model.ubj"


class Xgboost:
    """A booster, or a fitted scikit-learn wrapper of one; after early stopping, the trees up to the best iteration."""

    def owns(self, model: Any) -> bool:
        return comes_from(model, "xgboost")

    def store(self, model: Any, rows: Inputs, task: Task, directory: Path) -> Stored:
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
        booster.save_model(str(directory / _FILE))
        return Stored("xgboost", _FILE, _predictions(model, booster, rows, task))


def _predictions(model: Any, booster: Any, rows: Inputs, task: Task) -> Any:
    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(rows)
        return probabilities if task.many_classes else probabilities[:, 1]
    if model is not booster:
        return model.predict(rows)
    best = booster.attr("best_iteration")
    trees = (0, int(best) + 1) if best is not None else (0, 0)
    return booster.inplace_predict(np.asarray(rows), iteration_range=trees, validate_features=False)
