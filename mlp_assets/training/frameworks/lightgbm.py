"""LightGBM boosters, classifiers and regressors, in LightGBM's text format."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Inputs, Stored, comes_from, shown_type

_FILE = "model.txt"


class Lightgbm:
    """A booster, or a fitted scikit-learn wrapper of one."""

    def owns(self, model: Any) -> bool:
        return comes_from(model, "lightgbm")

    def store(self, model: Any, rows: Inputs, task: Task, directory: Path) -> Stored:
        from lightgbm import Booster, LGBMModel

        if isinstance(model, LGBMModel) and not model.__sklearn_is_fitted__():
            raise ExportError(f"train returned a {shown_type(model)} that is not fitted. Return what fit(...) returns.")
        booster = model.booster_ if isinstance(model, LGBMModel) else model
        if not isinstance(booster, Booster):
            raise ExportError(
                f"train returned a {shown_type(model)}. Return a Booster, LGBMClassifier or LGBMRegressor."
            )
        booster.save_model(str(directory / _FILE))
        return Stored("lightgbm", _FILE, booster.predict(rows.astype(np.float64), num_threads=1))
