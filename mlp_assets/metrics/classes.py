"""The classes of a multiclass model: class numbers in training, class names in answers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_assets.exact_numbers import first_rounded

Floats = NDArray[np.float64]
UNKNOWN = -1.0


@dataclass(frozen=True)
class Classes:
    """The target values of the training rows, in the order of the model's outputs; empty for other tasks."""

    values: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        return {value: number for number, value in enumerate(self.values)}

    def truth(self, target: pl.Series) -> Floats:
        """(rows,) class numbers, -1 for a value that is no class. For other tasks: the target itself."""
        if not self.values:
            return cast("Floats", target.cast(pl.Float64).to_numpy())
        numbers = (self._numbers.get(value, UNKNOWN) for value in target.to_list())  # 3.0 equals the key 3
        return np.fromiter(numbers, np.float64, len(target))

    def answers(self, prediction: Floats) -> dict[str, list[Any]]:
        """Answer columns of (rows, classes) probabilities: each row's likeliest class and its probability.

        For other tasks: the (rows,) prediction itself.
        """
        if not self.values:
            return {"prediction": prediction.tolist()}
        best = prediction.argmax(axis=1)
        probability = prediction[np.arange(len(best)), best]
        return {"prediction": [self.values[number] for number in best], "probability": probability.tolist()}

    def union(self, other: "Classes") -> "Classes":
        """These classes, then the further ones of ``other``."""
        return Classes((*self.values, *(value for value in other.values if value not in self._numbers)))

    def reordered_to(self, prediction: Floats, wanted: "Classes") -> Floats:
        """The (rows, classes) probabilities in the order of other classes; 0 for classes that these lack."""
        if self.values == wanted.values:
            return prediction
        reordered = np.zeros((len(prediction), len(wanted)))
        for number, value in enumerate(wanted.values):
            if value in self._numbers:
                reordered[:, number] = prediction[:, self._numbers[value]]
        return reordered


def classes_of(target: pl.Series) -> Classes:
    """The distinct values of the target, sorted. Raises MlpError for numbers that are not whole, or too large."""
    values: list[Any] = target.drop_nulls().unique().sort().to_list()
    if target.dtype == pl.String:
        return Classes(tuple(values))
    fraction = next((value for value in values if value != int(value)), None)
    if fraction is not None:
        raise MlpError(
            f"{target.name} holds {fraction:g}, but a class is a text or a whole number. Declare the target of a "
            "multiclass model as pl.String or whole numbers, or write task='regression'."
        )
    check_told_apart(target, "a training set holds its target as a 64-bit float")
    return Classes(tuple(int(value) for value in values))


def check_told_apart(values: pl.Series, reason: str) -> None:
    """Raises MlpError where floats that stand for whole numbers are too large to be told apart."""
    rounded = first_rounded(values) if values.dtype.is_float() else None
    if rounded is not None:
        raise MlpError(
            f"{values.name} holds {rounded}, and whole numbers from 2**53 = {2**53} on are "
            f"not told apart: {reason}. Declare the column as pl.String, and give it texts."
        )


def finite(prediction: Floats) -> NDArray[np.bool_]:
    """(rows,) whether every predicted number of the row is finite."""
    return np.logical_and.reduce(np.isfinite(prediction).reshape(len(prediction), -1), axis=1)


def likeliest_class(prediction: Floats) -> Floats:
    """(rows,) the number of each row's likeliest class. A (rows,) prediction is returned as it is."""
    return prediction.argmax(axis=1).astype(np.float64) if prediction.ndim == 2 else prediction
