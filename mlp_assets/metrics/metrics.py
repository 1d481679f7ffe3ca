"""Metrics of predictions; NaN where one cannot be computed.

The target is float64 (rows,). Predictions are (rows,), or (rows, classes) probabilities of a multiclass model. Its
target is a class number; a number outside the columns is a class that the model does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_assets.metrics.classes import likeliest_class
from mlp_assets.nouns.task import HIGHER_IS_BETTER, Task

Vector = NDArray[np.float64]
WeightedMetric = Callable[[Vector], float]
_EPSILON = 1e-15


@dataclass(frozen=True)
class Metric:
    """A metric in a form that is fast for many weightings of the same rows. Exactly one of the functions is given.

    Args:
        rowwise: (target, prediction) -> (rows,) losses or scores, for a metric that is their mean.
        prepared: (target, prediction) -> a function from weights (rows,) to the metric, for all other metrics.
    """

    name: str
    rowwise: Callable[[Vector, Vector], Vector] | None = None
    prepared: Callable[[Vector, Vector], WeightedMetric] | None = None

    @property
    def higher_is_better(self) -> bool:
        return self.name in HIGHER_IS_BETTER

    def compute(self, target: Vector, prediction: Vector) -> float:
        """The metric with equal weights; NaN without rows."""
        if not len(target):
            return float("nan")
        if self.rowwise is not None:
            return float(self.rowwise(target, prediction).mean())
        assert self.prepared is not None
        return self.prepared(target, prediction)(np.ones(len(target)))


class RankedScores:
    """Predictions sorted once, to compute the ROC AUC under many weightings of the rows. Ties count half."""

    def __init__(self, target: Vector, prediction: Vector) -> None:
        self.order = np.argsort(prediction, kind="stable")
        ordered = prediction[self.order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._positive = target[self.order]

    def auc(self, weights: Vector | None = None) -> float:
        """The weighted area under the ROC curve; NaN if only one class has weight.

        Args:
            weights: (rows,) in the original order of the rows; all 1 by default.
        """
        weight = np.ones(len(self.order)) if weights is None else weights[self.order]
        positive = np.add.reduceat(weight * self._positive, self._starts)
        negative = np.add.reduceat(weight * (1 - self._positive), self._starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / pairs) if pairs > 0 else float("nan")


def roc_auc(target: Vector, prediction: Vector) -> float:
    """Area under the ROC curve."""
    return RankedScores(target, prediction).auc() if len(target) else float("nan")


def _log_losses(target: Vector, prediction: Vector) -> Vector:
    if prediction.ndim == 2:
        return -np.log(np.clip(_probability_of_truth(target, prediction), _EPSILON, 1.0))
    clipped = np.clip(prediction, _EPSILON, 1 - _EPSILON)
    return -(target * np.log(clipped) + (1 - target) * np.log1p(-clipped))


def _probability_of_truth(target: Vector, prediction: Vector) -> Vector:
    """(rows,) the probability of each row's true class; 0 for a class that the model does not know."""
    number = target.astype(np.int64)
    known = (number >= 0) & (number < prediction.shape[1])
    return np.where(known, prediction[np.arange(len(number)), np.where(known, number, 0)], 0.0)


def _hits(target: Vector, prediction: Vector) -> Vector:
    return (likeliest_class(prediction) == target).astype(np.float64)


def _squares(target: Vector, prediction: Vector) -> Vector:
    return (target - prediction) ** 2


def _distances(target: Vector, prediction: Vector) -> Vector:
    return np.abs(target - prediction)


def _rmse(target: Vector, prediction: Vector) -> WeightedMetric:
    squares = _squares(target, prediction)
    return lambda weights: float(np.sqrt(weights @ squares / weights.sum()))


def _macro_f1(target: Vector, prediction: Vector) -> WeightedMetric:
    """The mean F1 over all true and predicted classes, as scikit-learn's ``f1_score(average="macro")``."""
    guess = likeliest_class(prediction)
    classes, places = np.unique(np.concatenate([target, guess]), return_inverse=True)
    true, predicted = places[: len(target)], places[len(target) :]
    hit, count = true == predicted, len(classes)

    def weighted(weights: Vector) -> float:
        right = np.bincount(true[hit], weights=weights[hit], minlength=count)
        both = np.bincount(true, weights, minlength=count) + np.bincount(predicted, weights, minlength=count)
        present = both > 0
        return float((2 * right[present] / both[present]).mean()) if present.any() else float("nan")

    return weighted


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("roc_auc", prepared=lambda target, prediction: RankedScores(target, prediction).auc),
        Metric("log_loss", _log_losses),
        Metric("brier", _squares),
        Metric("accuracy", _hits),
        Metric("macro_f1", prepared=_macro_f1),
        Metric("mae", _distances),
        Metric("rmse", prepared=_rmse),
    )
}


def metrics_of(task: Task) -> list[Metric]:
    """The metrics of the task."""
    return [METRICS[name] for name in task.metrics]


def scores(task: Task, target: Vector, prediction: Vector) -> dict[str, float]:
    """Metric -> value, for every metric of the task."""
    return {metric.name: metric.compute(target, prediction) for metric in metrics_of(task)}
