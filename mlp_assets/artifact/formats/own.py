"""A project's own kind of model, loaded by its own class from files that hold no code."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.artifact.formats.scorer import ArtifactError, Known, Loaded, Matrix
from mlp_assets.jobs.function_paths import load_by_path


class OwnScorer(Loaded):
    """The class comes from the deployed code of the project, never out of the artifact."""

    def __init__(self, known: Known, directory: Path, file: str, loader: str | None) -> None:
        super().__init__(known)
        self._model: Any = class_of(str(loader)).load(directory)

    def predict(self, matrix: Matrix) -> Matrix:
        answer = np.asarray(self._model.predict(matrix), dtype=np.float64)
        made = self.shaped(answer, len(matrix)) if answer.ndim else answer
        if answer.shape != made.shape or not answer.ndim:
            name, due = type(self._model).__name__, "(rows, classes)" if len(self.known.classes) else "(rows,)"
            raise ArtifactError(f"{name}.predict gave shape {answer.shape} for {len(matrix)} rows. Return {due}.")
        return made


def class_of(path: str) -> Any:
    """The class at ``module:name``. Raises ArtifactError when there is none."""
    try:
        return load_by_path(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"The model's class {path!r} is not there: {error}. Deploy the code that it was trained with."
        ) from error
