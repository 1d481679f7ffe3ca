"""XGBoost's own format (UBJSON), on one thread."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np

from mlp_assets.artifact.formats.scorer import LoadedModel, Matrix, ModelFacts


class XgboostScorer(LoadedModel):
    """Predicts with the trees up to the best iteration if the training stopped early. NaN is missing."""

    def __init__(self, facts: ModelFacts, directory: Path, file: str, loader: str | None) -> None:
        import xgboost

        super().__init__(facts)
        self._booster: Any = cast("Any", xgboost).Booster({"nthread": 1}, model_file=str(directory / file))
        best = self._booster.attr("best_iteration")
        self._trees = (0, int(best) + 1) if best is not None else (0, 0)
        settings = json.loads(self._booster.save_config())["learner"]
        self._linear = settings["gradient_booster"]["name"] == "gblinear"  # not predicted in place

    def answer(self, matrix: Matrix) -> Matrix:
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite
            rows = np.asarray(matrix, dtype=np.float32)  # XGBoost compares in single precision
        return self.reshape(self._predict_linear(rows) if self._linear else self._predict_trees(rows), len(matrix))

    def _predict_trees(self, rows: Any) -> Any:
        return self._booster.inplace_predict(rows, iteration_range=self._trees, validate_features=False)

    def _predict_linear(self, rows: Any) -> Any:
        import xgboost

        return self._booster.predict(cast("Any", xgboost).DMatrix(rows, nthread=1), validate_features=False)
