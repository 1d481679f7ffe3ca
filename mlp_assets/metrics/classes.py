"""The classes of a multiclass model: their numbers in training, their names in answers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError

Floats = NDArray[np.float64]
UNKNOWN = -1.0


@dataclass(frozen=True)
class Classes:
    """The values of the target that training rows had, in the order of the model's outputs; none for other tasks."""

    values: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        return {value: number for number, value in enumerate(self.values)}

    def truth(self, target: pl.Series) -> Floats:
        """(rows,) the number of each row's class, -1 where there is none of that name; the target itself for others."""
        if not self.values:
            return cast("Floats", target.cast(pl.Float64).to_numpy())
        found = (self._numbers.get(value, UNKNOWN) for value in target.to_list())  # 3.0 finds 3
        return np.fromiter(found, np.float64, len(target))

    def answers(self, prediction: Floats) -> dict[str, list[Any]]:
        """What is said of (rows, classes) probabilities: the likeliest class of each row, and its probability.

        Of another task's (rows,) they are the prediction itself.
        """
        if not self.values:
            return {"prediction": prediction.tolist()}
        best = prediction.argmax(axis=1)
        sure = prediction[np.arange(len(best)), best]
        return {"prediction": [self.values[number] for number in best], "probability": sure.tolist()}

    def with_those_of(self, other: "Classes") -> "Classes":
        """Its own, and then those that the other has more."""
        return Classes((*self.values, *(value for value in other.values if value not in self._numbers)))

    def placed(self, prediction: Floats, wanted: "Classes") -> Floats:
        """The probabilities in the order of other classes; 0 for those that it does not know."""
        if self.values == wanted.values:
            return prediction
        made = np.zeros((len(prediction), len(wanted)))
        for number, value in enumerate(wanted.values):
            if value in self._numbers:
                made[:, number] = prediction[:, self._numbers[value]]
        return made


def classes_of(target: pl.Series) -> Classes:
    """The values of the target, sorted. Raises MlpError for numbers that are not whole."""
    values: list[Any] = target.drop_nulls().unique().sort().to_list()
    if target.dtype == pl.String:
        return Classes(tuple(values))
    odd = next((value for value in values if value != int(value)), None)
    if odd is not None:
        raise MlpError(
            f"{target.name} holds {odd:g}, which names no class. Declare the target of a multiclass model as pl.String "
            "or whole numbers, or write task='regression'."
        )
    return Classes(tuple(int(value) for value in values))


def finite(prediction: Floats) -> NDArray[np.bool_]:
    """(rows,) whether all that is predicted of a row is a finite number."""
    return np.logical_and.reduce(np.isfinite(prediction).reshape(len(prediction), -1), axis=1)


def chosen(prediction: Floats) -> Floats:
    """(rows,) the number of the likeliest class; numbers of classes are taken as they are."""
    return prediction.argmax(axis=1).astype(np.float64) if prediction.ndim == 2 else prediction
