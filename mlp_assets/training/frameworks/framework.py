"""The Protocol of a framework: it recognises its models and stores them without code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_assets.nouns.task import Task

Inputs = NDArray[np.float32]


class ExportError(MlpError):
    """The object that ``train`` returned cannot be served."""


@dataclass(frozen=True)
class Stored:
    """A model that was written to a folder.

    Args:
        format: the name of its format, by which the server chooses a scorer.
        file: the file that the scorer loads.
        predictions: the model's own predictions, (rows,) or (rows, classes), to compare the stored model with.
        loader: ``module:class`` that loads a model of the user's own.
    """

    format: str
    file: str
    predictions: Any
    loader: str | None = None


class Framework(Protocol):
    """One kind of model."""

    def owns(self, model: Any) -> bool:
        """Whether the model is of this kind. Decided from the type's module name, so that nothing is imported."""
        ...

    def store(self, model: Any, rows: Inputs, task: Task, directory: Path) -> Stored:
        """Writes the model to the folder, and predicts ``rows`` (rows, features) with it.

        Raises:
            ExportError: this model cannot be stored without code.
        """
        ...


def comes_from(model: Any, package: str) -> bool:
    """Whether the model's class or one of its base classes is defined in the package."""
    return any(base.__module__.partition(".")[0] == package for base in type(model).__mro__)


def shown_type(model: Any) -> str:
    """The model's type for messages, with its module."""
    return f"{type(model).__module__}.{type(model).__qualname__}"
