"""The Protocol of a framework: it recognises its models and stores them without code."""

from collections.abc import Callable, Sequence
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
        predict: the model's own predictions of float32 (rows, features): (rows,), (rows, 1) or (rows, classes). It
            raises what the model raises for rows that it refuses.
        loader: ``module:class`` that loads a model of the user's own.
        write_again: writes the model in a slower form, for the case that the first one answers differently.
    """

    format: str
    file: str
    predict: Callable[[Inputs], Any]
    loader: str | None = None
    write_again: Callable[[], None] | None = None


class Framework(Protocol):
    """One kind of model."""

    def owns(self, model: Any) -> bool:
        """Whether the model is of this kind. Decided from the type's module name, so that nothing is imported."""
        ...

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        """Writes the model to the folder.

        Args:
            columns: the names of the columns that the model is given.

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


def first_line(error: Exception) -> str:
    """The first line of the error's text, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def check_order(model: Any, names: Sequence[str] | None, columns: Sequence[str]) -> None:
    """Raises ExportError for a model that was fitted on these columns in another order: it is served by position."""
    given = list(names) if names is not None else []
    for place, name in enumerate(given):
        if name in columns and (place >= len(columns) or columns[place] != name):
            raise ExportError(
                f"The {shown_type(model)} was fitted with the columns {_shown(given)}, and it is served with "
                f"{_shown(columns)}, by their order. Fit it on run.train.x, or on a frame with the columns "
                "list(run.features)."
            )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
