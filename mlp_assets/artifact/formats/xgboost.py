"""XGBoost's own format (UBJSON), on one thread."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from mlp_assets.artifact.formats.scorer import Known, Loaded, Matrix


class XgboostScorer(Loaded):
    """Predicts with the trees up to the best iteration, where the training stopped early; NaN is missing."""

    def __init__(self, known: Known, directory: Path, file: str, loader: str | None) -> None:
        import xgboost

        super().__init__(known)
        self._booster: Any = cast("Any", xgboost).Booster({"nthread": 1}, model_file=str(directory / file))
        best = self._booster.attr("best_iteration")
        self._trees = (0, int(best) + 1) if best is not None else (0, 0)

    def predict(self, matrix: Matrix) -> Matrix:
        rows = np.asarray(matrix, dtype=np.float32)  # it compares in single precision, whatever it is given
        answer = self._booster.inplace_predict(rows, iteration_range=self._trees, validate_features=False)
        return self.shaped(answer, len(matrix))
