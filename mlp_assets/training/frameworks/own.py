"""A project's own kind of model, through a small protocol."""

import importlib
import inspect
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Rows, Stored, shown_type


@runtime_checkable
class OwnModel(Protocol):
    """What ``train`` may return where no framework is known: any object of a class of yours with these three methods.

    The class must be importable by its name where the model is served, so write it in a module of the project.
    """

    def save(self, folder: Path) -> None:
        """Writes the model's files, without subfolders. None may be a pickle: write safetensors, .npy or JSON."""
        ...

    @classmethod
    def load(cls, folder: Path) -> "OwnModel":
        """The model out of the files that ``save`` wrote."""
        ...

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) with NaN for missing -> (rows,), or (rows, classes) probabilities."""
        ...


class Own:
    """Any object with ``save``, ``load`` and ``predict``."""

    def owns(self, model: Any) -> bool:
        return not inspect.isclass(model) and isinstance(model, OwnModel)

    def store(self, model: Any, rows: Rows, task: Task, directory: Path) -> Stored:
        made = type(model)
        path = f"{made.__module__}:{made.__qualname__}"
        if made.__module__ == "__main__" or "<locals>" in made.__qualname__ or _at(path) is not made:
            raise ExportError(
                f"The class {shown_type(model)} cannot be imported by its name, so no server could load the model. "
                "Move it to the top of a module of the project."
            )
        model.save(directory)
        files = sorted(file.name for file in directory.iterdir())
        if not files:
            raise ExportError(f"{made.__qualname__}.save wrote no file into the folder that it was given.")
        return Stored("own", files[0], model.predict(rows.astype(np.float64)), path)


def _at(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name, None)
