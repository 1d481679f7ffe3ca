"""The paired bootstrap by group: how sure it is that one vector of predictions is better than another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import METRICS, Metric, Vector

_RESAMPLES = 200


@dataclass(frozen=True)
class Difference:
    """By how much the first is better than the second (positive is better), with the 95 % interval."""

    metric: str
    first: float
    second: float
    gain: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval lies above zero."""
        return bool(np.isfinite([self.gain, self.low, self.high]).all()) and self.low > 0


def paired_bootstrap(
    metric_name: str,
    target: Vector,
    first: Vector,
    second: Vector,
    groups: NDArray[np.int64],
    *,
    seed: int,
    resamples: int = _RESAMPLES,
) -> Difference:
    """Resamples whole groups with replacement, the same ones for both, and takes the percentile interval.

    Args:
        target, first, second: (rows,); predictions may be (rows, classes).
        groups: (rows,) codes from 0; the rows of one group depend on each other and are drawn together.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
    """
    metric = METRICS[metric_name]
    count = int(groups.max()) + 1 if len(groups) else 0
    sign = 1.0 if metric.higher_is_better else -1.0
    one, two = metric.compute(target, first), metric.compute(target, second)
    if count < 2:
        return Difference(metric_name, one, two, sign * (one - two), float("nan"), float("nan"))
    draws = _draws(count, seed, resamples)
    gains = sign * (_values(metric, target, first, groups, draws) - _values(metric, target, second, groups, draws))
    low, high = np.percentile(gains, [2.5, 97.5])
    return Difference(metric_name, one, two, sign * (one - two), float(low), float(high))


def interval(
    metric_name: str, target: Vector, prediction: Vector, groups: NDArray[np.int64], *, seed: int
) -> tuple[float, float, float]:
    """The metric with its 95 % percentile interval, whole groups resampled; NaN for the interval of one group.

    All are NaN where a prediction is not finite: a ranking, say, would be of the others alone.

    Source: as for ``paired_bootstrap``.
    """
    metric, nothing = METRICS[metric_name], float("nan")
    if not finite(prediction).all():
        return nothing, nothing, nothing
    value, count = metric.compute(target, prediction), int(groups.max()) + 1 if len(groups) else 0
    if count < 2:
        return value, nothing, nothing
    found = _values(metric, target, prediction, groups, _draws(count, seed, _RESAMPLES))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return value, float(low), float(high)


def _draws(count: int, seed: int, resamples: int) -> list[Vector]:
    """How often each group is drawn, for each resample."""
    rng = np.random.default_rng(seed)
    return [np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64) for _ in range(resamples)]


def _values(
    metric: Metric, target: Vector, prediction: Vector, groups: NDArray[np.int64], draws: list[Vector]
) -> Vector:
    if metric.rowwise is not None:
        sums = np.bincount(groups, weights=metric.rowwise(target, prediction))
        sizes = np.bincount(groups).astype(np.float64)
        return np.array([draw @ sums / (draw @ sizes) for draw in draws])
    assert metric.prepared is not None
    of_weights = metric.prepared(target, prediction)
    return np.array([of_weights(draw[groups]) for draw in draws])
