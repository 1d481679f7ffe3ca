"""LightGBM's own text format, on one thread."""

from pathlib import Path
from typing import Any

from mlp_assets.artifact.formats.scorer import Known, Loaded, Matrix


class LightgbmScorer(Loaded):
    """The text holds the trees up to the best iteration, where the training stopped early."""

    def __init__(self, known: Known, directory: Path, file: str, loader: str | None) -> None:
        import lightgbm

        super().__init__(known)
        self._booster: Any = lightgbm.Booster(model_file=str(directory / file))

    def predict(self, matrix: Matrix) -> Matrix:
        return self.shaped(self._booster.predict(matrix, num_threads=1), len(matrix))
