"""The paired bootstrap by group: confidence intervals of a metric, and of the difference between two predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import METRICS, Metric, Vector

_RESAMPLES = 200


@dataclass(frozen=True)
class Difference:
    """How much better the first prediction is than the second (positive is better), with the 95 % interval."""

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
    """Compares two predictions by resampling whole groups with replacement, the same groups for both.

    The interval is the percentile interval; it is NaN for fewer than two groups.

    Args:
        target: (rows,).
        first, second: predictions, (rows,) or (rows, classes).
        groups: (rows,) codes from 0. Rows of one group depend on each other and are drawn together.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
    """
    metric = METRICS[metric_name]
    count = int(groups.max()) + 1 if len(groups) else 0
    sign = 1.0 if metric.higher_is_better else -1.0
    value, other = metric.compute(target, first), metric.compute(target, second)
    if count < 2:
        return Difference(metric_name, value, other, sign * (value - other), float("nan"), float("nan"))
    values = [_values(metric, target, each, groups, _draws(count, seed, resamples)) for each in (first, second)]
    gains = sign * (values[0] - values[1])
    low, high = np.percentile(gains, [2.5, 97.5])
    return Difference(metric_name, value, other, sign * (value - other), float(low), float(high))


def interval(
    metric_name: str, target: Vector, prediction: Vector, groups: NDArray[np.int64], *, seed: int
) -> tuple[float, float, float]:
    """(value, low, high): the metric with its 95 % percentile interval, resampling whole groups.

    The interval is NaN for fewer than two groups. All three are NaN if a prediction is not finite: a ranking, for
    example, would leave that row out.

    Args and source are those of ``paired_bootstrap``.
    """
    metric, nan = METRICS[metric_name], float("nan")
    if not finite(prediction).all():
        return nan, nan, nan
    value, count = metric.compute(target, prediction), int(groups.max()) + 1 if len(groups) else 0
    if count < 2:
        return value, nan, nan
    values = _values(metric, target, prediction, groups, _draws(count, seed, _RESAMPLES))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return value, float(low), float(high)


def _draws(count: int, seed: int, resamples: int) -> Iterator[Vector]:
    """How often each group is drawn, one resample at a time: together they would take 200 numbers for each group."""
    rng = np.random.default_rng(seed)
    return (np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64) for _ in range(resamples))


def _values(
    metric: Metric, target: Vector, prediction: Vector, groups: NDArray[np.int64], draws: Iterator[Vector]
) -> Vector:
    if metric.rowwise is not None:
        sums = np.bincount(groups, weights=metric.rowwise(target, prediction))
        sizes = np.bincount(groups).astype(np.float64)
        return np.array([draw @ sums / (draw @ sizes) for draw in draws])
    assert metric.prepared is not None
    weighted = metric.prepared(target, prediction)
    return np.array([weighted(draw[groups]) for draw in draws])
