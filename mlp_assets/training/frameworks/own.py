"""A kind of model of the user's own, through a small Protocol."""

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Stored, shown_type


@runtime_checkable
class OwnModel(Protocol):
    """A model of your own that ``train`` may return: an object of a class with these three methods.

    The server imports the class by its name, so define it at the top of a module of the project.
    """

    def save(self, folder: Path) -> None:
        """Writes the model's files, without subfolders. Pickles are refused: write safetensors, .npy or JSON."""
        ...

    @classmethod
    def load(cls, folder: Path) -> "OwnModel":
        """Loads the model from the files that ``save`` wrote."""
        ...

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) with NaN for missing -> (rows,), or (rows, classes) probabilities."""
        ...


class Own:
    """Any object with ``save``, ``load`` and ``predict``."""

    def owns(self, model: Any) -> bool:
        return not inspect.isclass(model) and isinstance(model, OwnModel)

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        kind = type(model)
        path = f"{kind.__module__}:{kind.__qualname__}"
        if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__ or _import_class(path) is not kind:
            raise ExportError(
                f"The class {shown_type(model)} cannot be imported by its name, so no server could load the model. "
                "Move it to the top of a module of the project."
            )
        model.save(directory)
        files = sorted(file.name for file in directory.iterdir())
        if not files:
            raise ExportError(
                f"{kind.__qualname__}.save wrote no file. Write the model into the folder that it is given."
            )
        return Stored("own", files[0], lambda rows: model.predict(rows.astype(np.float64)), path)


def _import_class(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name, None)
