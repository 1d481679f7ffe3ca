"""Metrics of predictions: float64 vectors of (rows,) in, one number out; NaN when it cannot be computed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_assets.spec.gates import HIGHER_IS_BETTER

Vector = NDArray[np.float64]
_EPSILON = 1e-15


@dataclass(frozen=True)
class Metric:
    """``rowwise`` gives each row's share where the metric is a mean over rows; None where it is not (ROC AUC)."""

    name: str
    task: str
    compute: Callable[[Vector, Vector], float]
    rowwise: Callable[[Vector, Vector], Vector] | None

    @property
    def higher_is_better(self) -> bool:
        return self.name in HIGHER_IS_BETTER


class RankedScores:
    """Predictions sorted once, for the ROC AUC under many weightings of the rows. Ties count half."""

    def __init__(self, target: Vector, prediction: Vector) -> None:
        self.order = np.argsort(prediction, kind="stable")
        ordered = prediction[self.order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._positive = target[self.order]

    def auc(self, weights: Vector | None = None) -> float:
        """The area under the ROC curve, with each row (in its original order) weighted; NaN with one class only."""
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
    clipped = np.clip(prediction, _EPSILON, 1 - _EPSILON)
    return -(target * np.log(clipped) + (1 - target) * np.log1p(-clipped))


def _squares(target: Vector, prediction: Vector) -> Vector:
    return (target - prediction) ** 2


def _distances(target: Vector, prediction: Vector) -> Vector:
    return np.abs(target - prediction)


def _mean_of(rowwise: Callable[[Vector, Vector], Vector]) -> Callable[[Vector, Vector], float]:
    return lambda target, prediction: float(rowwise(target, prediction).mean()) if len(target) else float("nan")


def _rmse(target: Vector, prediction: Vector) -> float:
    return float(np.sqrt(_squares(target, prediction).mean())) if len(target) else float("nan")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("roc_auc", "binary", roc_auc, None),
        Metric("log_loss", "binary", _mean_of(_log_losses), _log_losses),
        Metric("brier", "binary", _mean_of(_squares), _squares),
        Metric("mae", "regression", _mean_of(_distances), _distances),
        Metric("rmse", "regression", _rmse, None),
    )
}
COMPARED = {"binary": ("roc_auc", "log_loss"), "regression": ("mae",)}


def scores(task: str, target: Vector, prediction: Vector) -> dict[str, float]:
    """Every metric of the task."""
    return {metric.name: metric.compute(target, prediction) for metric in METRICS.values() if metric.task == task}
