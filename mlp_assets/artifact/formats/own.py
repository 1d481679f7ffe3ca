"""A project's own kind of model, loaded by its own class from files without code."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.artifact.formats.scorer import ArtifactError, LoadedModel, Matrix, ModelFacts
from mlp_assets.jobs.function_paths import load_by_path


class OwnScorer(LoadedModel):
    """The class comes from the deployed code of the project, never from the artifact."""

    def __init__(self, facts: ModelFacts, directory: Path, file: str, loader: str | None) -> None:
        super().__init__(facts)
        self._model: Any = class_of(str(loader)).load(directory)

    def answer(self, matrix: Matrix) -> Matrix:
        answer = np.asarray(self._model.predict(matrix), dtype=np.float64)
        prediction = self.reshape(answer, len(matrix)) if answer.ndim else answer
        if answer.shape != prediction.shape or not answer.ndim:
            name, shape = type(self._model).__name__, "(rows, classes)" if len(self.facts.classes) else "(rows,)"
            raise ArtifactError(f"{name}.predict gave shape {answer.shape} for {len(matrix)} rows. Return {shape}.")
        return prediction


def class_of(path: str) -> Any:
    """The class at ``module:name``. Raises ArtifactError if there is none."""
    try:
        return load_by_path(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"The model's class {path!r} cannot be imported: {error}. Deploy the code that it was trained with."
        ) from error
