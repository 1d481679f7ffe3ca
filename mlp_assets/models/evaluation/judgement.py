"""What the gates look at, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.metrics.classes import Classes
from mlp_assets.metrics.metrics import Vector
from mlp_assets.nouns.task import Task

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Vector]  # (rows,), or (rows, classes) of a multiclass model


@dataclass(frozen=True)
class GateResult:
    """The outcome of one gate, in a sentence with its numbers."""

    name: str
    passed: bool
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Trial:
    """What the gates look at: rows to fit baselines on, rows to judge on, and the predictions of both models.

    Args:
        champion_lacks: the champion's inputs that the rows no longer have, for which it predicts nothing.
        champion_new: (rows,) True for those that the champion was not trained on; None for all.
        encoding: what makes the candidate's matrix of the rows; the features as they are by default.
        predict: the stored candidate itself; None where only its predictions are at hand.
        size_bytes: of all its files.
        classes: of a multiclass model, of which both predictions have a column each; those of the champion that the
            candidate does not know come last.
    """

    task: Task
    target: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    fit: pl.DataFrame
    rows: pl.DataFrame
    candidate: Vector
    champion: Vector | None
    seed: int
    champion_lacks: tuple[str, ...] = ()
    champion_new: NDArray[np.bool_] | None = None
    predict: Predict | None = None
    encoding: Encoding | None = None
    size_bytes: int = 0
    classes: Classes = field(default_factory=Classes)

    @property
    def truth(self) -> Vector:
        return self.classes.truth(self.rows[self.target])

    @property
    def matrix(self) -> Matrix:
        return self.encoded.matrix(self.rows)

    @property
    def encoded(self) -> Encoding:
        return self.encoding or Encoding(self.features)

    def on(self, rows: pl.DataFrame) -> "Trial":
        """The candidate alone on other rows."""
        assert self.predict is not None
        blank = replace(self, rows=rows, champion=None, champion_new=None)
        return replace(blank, candidate=self.predict(blank.matrix))

    def groups(self, by: str | None) -> NDArray[np.int64]:
        """(rows,) the number of the group that each row is drawn with."""
        return self.rows[by or self.keys[0]].rank("dense").to_numpy().astype(np.int64) - 1


@dataclass(frozen=True)
class Judgement:
    """Every gate's result, and the metrics of the candidate beside those of its rivals."""

    results: tuple[GateResult, ...]
    metrics: Mapping[str, Mapping[str, float]]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)
