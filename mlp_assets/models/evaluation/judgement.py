"""What the gates look at, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding, Matrix
from mlp_assets.metrics.classes import Classes
from mlp_assets.metrics.metrics import Vector
from mlp_assets.models.evaluation.labelled_rows import LabelledRows, Positions, Predict
from mlp_assets.nouns.task import Task

Groups = NDArray[np.int64]


@dataclass(frozen=True)
class GateResult:
    """The outcome of one gate, in a sentence with its numbers."""

    name: str
    passed: bool
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class ScoredRows:
    """Some rows with the candidate's predictions of them.

    Args:
        truth: (rows,), for a multiclass model the number of the class.
        prediction: (rows,), or (rows, classes).
        groups: (rows,) the number of the group that each row is drawn with in a bootstrap.
    """

    truth: Vector
    prediction: Vector
    groups: Groups


@dataclass(frozen=True)
class Evaluation:
    """A candidate before its gates: rows to fit baselines on, rows to judge on, and the predictions of both models.

    Args:
        candidate, champion: (rows,) or (rows, classes), predictions of ``rows``.
        champion_lacks: inputs of the champion that the rows no longer have, so it predicts nothing.
        champion_new: (rows,) True for rows that the champion was not trained on; None for all.
        encoding: makes the candidate's matrix of rows; by default the features as they are.
        predict: the stored candidate itself; None where only its predictions are at hand.
        size_bytes: of all its files.
        classes: of a multiclass model. Both predictions have a column for each; classes that only the champion knows
            come last.
    """

    task: Task
    target: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    fit: LabelledRows
    rows: LabelledRows
    candidate: Vector
    champion: Vector | None
    seed: int
    champion_lacks: tuple[str, ...] = ()
    champion_new: NDArray[np.bool_] | None = None
    predict: Predict | None = None
    encoding: Encoding | None = None
    size_bytes: int = 0
    classes: Classes = field(default_factory=Classes)

    @cached_property
    def truth(self) -> Vector:
        """(rows,) the target, for a multiclass model the number of the class."""
        return self.classes.truth(self.rows.column(self.target))

    @property
    def encoded(self) -> Encoding:
        return self.encoding or Encoding(self.features)

    def matrix(self, positions: Positions) -> Matrix:
        """What the candidate is given for the rows at the positions: (positions, columns), row after row in memory."""
        return np.ascontiguousarray(self.encoded.matrix(self.rows.take(positions, self.encoded.inputs)))

    def groups(self, by: str | None) -> Groups:
        """(rows,) the number of the group that each row is drawn with."""
        return _groups(self.rows, by or self.keys[0])

    def score(self, rows: LabelledRows, positions: Positions) -> ScoredRows:
        """The candidate's predictions of rows of any part."""
        assert self.predict is not None
        truth = self.classes.truth(rows.column(self.target)[positions])
        groups = np.unique(_groups(rows, self.keys[0])[positions], return_inverse=True)[1]
        return ScoredRows(truth, rows.predict(self.predict, self.encoded, positions), groups)


@dataclass(frozen=True)
class Judgement:
    """Every gate's result, and the metrics of the candidate beside those of its rivals."""

    results: tuple[GateResult, ...]
    metrics: Mapping[str, Mapping[str, float]]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def with_result(self, result: GateResult) -> "Judgement":
        """The judgement with the result of one more gate."""
        return replace(self, results=(*self.results, result))


def _groups(rows: LabelledRows, by: str) -> Groups:
    return rows.column(by).rank("dense").to_numpy().astype(np.int64) - 1
