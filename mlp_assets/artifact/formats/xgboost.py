"""XGBoost's own format (UBJSON), on one thread."""

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

    def predict(self, matrix: Matrix) -> Matrix:
        rows = np.asarray(matrix, dtype=np.float32)  # XGBoost compares in single precision
        answer = self._booster.inplace_predict(rows, iteration_range=self._trees, validate_features=False)
        return self.reshape(answer, len(matrix))
