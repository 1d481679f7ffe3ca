"""What a person wants to know of a trained model: its metrics on each part, what it leans on, where it is weak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlp_assets.metrics.bootstrap import interval
from mlp_assets.metrics.metrics import METRICS, metrics_of
from mlp_assets.models.evaluation.judgement import Trial
from mlp_assets.models.evaluation.slices import Slice, slices

# Enough for an interval of a few thousandths, and a fraction of a second to predict.
_ROWS, _IMPORTANCE_ROWS = 100_000, 5_000
_MOST_SLICES = 60


@dataclass(frozen=True)
class PartScore:
    """A metric on a part of the split, with its 95 % interval; NaN where there is none."""

    part: str
    rows: int
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """By how much the metric gets worse when the feature's values are shuffled."""

    feature: str
    loss: float


def part_scores(trial: Trial, parts: Sequence[tuple[str, pl.DataFrame]]) -> list[PartScore]:
    """Every metric of the task on each part: on all of its rows, or on 100,000 drawn by the seed."""
    assert trial.predict is not None
    found: list[PartScore] = []
    for name, rows in parts:
        drawn = rows if rows.height <= _ROWS else rows.sample(_ROWS, seed=trial.seed)
        here = trial.on(drawn)
        for metric in metrics_of(trial.task):
            value, low, high = interval(metric.name, here.truth, here.candidate, here.groups(None), seed=trial.seed)
            found.append(PartScore(name, drawn.height, metric.name, value, low, high))
    return found


def importances(trial: Trial) -> list[Importance]:
    """Permutation importance on the rows that are judged on, the greatest first.

    Source: Breiman, Random Forests (2001), section 10; with the model's first metric as the score.
    """
    assert trial.predict is not None
    rng, metric = np.random.default_rng(trial.seed), METRICS[trial.task.main_metric]
    rows = trial.rows if trial.rows.height <= _IMPORTANCE_ROWS else trial.rows.sample(_IMPORTANCE_ROWS, seed=trial.seed)
    here = trial.on(rows)
    matrix, sign = here.matrix, 1.0 if metric.higher_is_better else -1.0
    whole = metric.compute(here.truth, here.candidate)
    found: list[Importance] = []
    for feature, place in trial.encoded.places.items():
        shuffled = matrix.copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])  # the columns of a vector together
        found.append(Importance(feature, sign * (whole - metric.compute(here.truth, trial.predict(shuffled)))))
    return sorted(found, key=lambda one: -one.loss)


def weak_spots(trial: Trial, columns: Sequence[str]) -> dict[str, list[Slice]]:
    """The model's first metric for each value of the columns, where these have few values."""
    chosen = [name for name in columns if 2 <= trial.rows[name].n_unique() <= _MOST_SLICES or _is_number(trial, name)]
    return {name: slices(trial, name, trial.task.main_metric) for name in chosen}


def _is_number(trial: Trial, name: str) -> bool:
    return trial.rows.schema[name].is_float()
