"""What the platform asks of a framework: is the model one of its own, and how is it stored without code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_assets.nouns.task import Task

Rows = NDArray[np.float32]


class ExportError(MlpError):
    """What ``train`` returned cannot be served."""


@dataclass(frozen=True)
class Stored:
    """A model that was written to a folder, and what it says itself of the rows: float (rows,) or (rows, classes)."""

    format: str
    file: str
    own: Any
    loader: str | None = None


class Framework(Protocol):
    """One kind of models."""

    def owns(self, model: Any) -> bool:
        """Whether the model is of this kind; asks its type, and imports nothing for others."""
        ...

    def store(self, model: Any, rows: Rows, task: Task, directory: Path) -> Stored:
        """Writes the model into the folder.

        Raises:
            ExportError: this one cannot be stored without code.
        """
        ...


def comes_from(model: Any, package: str) -> bool:
    """Whether the model's class, or one that it derives from, is of the package."""
    return any(each.__module__.partition(".")[0] == package for each in type(model).__mro__)


def shown_type(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"
