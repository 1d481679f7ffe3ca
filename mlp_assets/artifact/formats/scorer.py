"""A loaded model, whatever its format."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.metrics.classes import Classes

Matrix = NDArray[np.float64]
_SUM_TOLERANCE = 0.05


class ArtifactError(MlpError):
    """An artifact is incomplete, was changed, or has a format that cannot be served."""


@dataclass(frozen=True)
class Refusals:
    """The rows that the model itself refuses, as seen at its export. The stored form might answer them.

    Args:
        missing: columns of the matrix in which the model takes no missing value.
        beyond: the largest magnitude of a number that the model and its stored form answer alike; None for any.
    """

    missing: tuple[str, ...] = ()
    beyond: float | None = None

    def __bool__(self) -> bool:
        return bool(self.missing) or self.beyond is not None

    def __str__(self) -> str:
        missing = f"no missing value in {', '.join(self.missing)}" if self.missing else ""
        beyond = f"no number beyond {self.beyond:.3g}" if self.beyond is not None else ""
        return " and ".join(filter(None, (missing, beyond)))

    def to_dict(self) -> dict[str, Any]:
        return {"missing": list(self.missing), "beyond": self.beyond}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Refusals":
        return cls(tuple(stored["missing"]), stored["beyond"])


@dataclass(frozen=True)
class ModelFacts:
    """The facts of a model in its manifest."""

    encoding: Encoding
    task: str
    digest: str
    classes: Classes = field(default_factory=Classes)
    refusals: Refusals = field(default_factory=Refusals)


class Scorer(Protocol):
    """A loaded model. ``predict`` takes the matrix of ``encoding`` and returns (rows,), or (rows, classes)."""

    @property
    def facts(self) -> ModelFacts: ...

    @property
    def encoding(self) -> Encoding: ...

    def predict(self, matrix: Matrix) -> Matrix: ...


@dataclass
class LoadedModel:
    """The base of all scorers."""

    facts: ModelFacts

    @property
    def encoding(self) -> Encoding:
        return self.facts.encoding

    @abstractmethod
    def answer(self, matrix: Matrix) -> Matrix:
        """What the stored form answers: (rows,), or (rows, classes) of a multiclass model."""

    def predict(self, matrix: Matrix) -> Matrix:
        """The predictions; NaN for the rows that the model itself refuses.

        The model is given the numbers as ``run.train.x`` holds them, in single precision: between two of these a tree
        may split.
        """
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite
            matrix = matrix.astype(np.float32).astype(np.float64)
        refused = self._refused(matrix) if self.facts.refusals else np.zeros(len(matrix), dtype=np.bool_)
        if not refused.any():
            return self._checked(self.answer(matrix))
        prediction = np.full((len(matrix), *((len(self.facts.classes),) if len(self.facts.classes) else ())), np.nan)
        if not refused.all():
            prediction[~refused] = self._checked(self.answer(matrix[~refused]))
        return prediction

    def _checked(self, prediction: Matrix) -> Matrix:
        """NaN where the probabilities of classes do not sum to 1: a step of the stored form underflowed."""
        if not len(self.facts.classes):
            return prediction
        wrong = np.abs(prediction.sum(axis=1) - 1) > _SUM_TOLERANCE
        return np.where(wrong[:, None], np.nan, prediction) if wrong.any() else prediction

    def reshape(self, answer: Any, rows: int) -> Matrix:
        """The answer as (rows,), or (rows, classes) of a multiclass model. Raises ArtifactError for another size."""
        prediction, classes = np.asarray(answer, dtype=np.float64), len(self.facts.classes)
        shape = (rows, classes) if classes else (rows,)
        if prediction.size != math.prod(shape):
            raise ArtifactError(f"The model returned shape {prediction.shape} for {rows} rows. It must return {shape}.")
        return prediction.reshape(shape)

    def _refused(self, matrix: Matrix) -> NDArray[np.bool_]:
        refused = np.logical_or.reduce(np.isnan(matrix[:, self._never_missing]), axis=1)
        if self.facts.refusals.beyond is not None:
            refused |= np.logical_or.reduce(np.abs(matrix) > self.facts.refusals.beyond, axis=1)
        return refused

    @cached_property
    def _never_missing(self) -> list[int]:
        return [self.encoding.columns.index(name) for name in self.facts.refusals.missing]
