"""LightGBM's own text format, on one thread."""

from pathlib import Path
from typing import Any

from mlp_assets.artifact.formats.scorer import LoadedModel, Matrix, ModelFacts


class LightgbmScorer(LoadedModel):
    """The text holds the trees up to the best iteration if the training stopped early."""

    def __init__(self, facts: ModelFacts, directory: Path, file: str, loader: str | None) -> None:
        import lightgbm

        super().__init__(facts)
        self._booster: Any = lightgbm.Booster(model_file=str(directory / file))

    def answer(self, matrix: Matrix) -> Matrix:
        return self.reshape(self._booster.predict(matrix, num_threads=1), len(matrix))
