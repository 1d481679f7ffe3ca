"""What a person wants to know of a trained model: its metrics on each part, what it relies on, where it is weak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlp_assets.metrics.bootstrap import interval
from mlp_assets.metrics.metrics import METRICS, metrics_of
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.slices import Slice, slices

# Enough for an interval of a few thousandths, and a fraction of a second to predict.
_PART_ROWS, _IMPORTANCE_ROWS = 100_000, 5_000
_MOST_SLICES = 60


@dataclass(frozen=True)
class PartScore:
    """A metric on a part of the split, with its 95 % interval; NaN where it cannot be computed.

    Args:
        rows: rows that it was computed on.
        of: all rows of the part.
    """

    part: str
    rows: int
    metric: str
    value: float
    low: float
    high: float
    of: int = 0


@dataclass(frozen=True)
class Importance:
    """By how much the metric gets worse when the feature's values are shuffled."""

    feature: str
    loss: float


def part_scores(evaluation: Evaluation, parts: Sequence[tuple[str, LabelledRows]]) -> list[PartScore]:
    """Every metric of the task on each part: on all of its rows, or on 100,000 drawn by the seed."""
    scores: list[PartScore] = []
    for name, rows in parts:
        drawn = rows.draw(_PART_ROWS, evaluation.seed)
        scored = evaluation.score(rows, drawn)
        for metric in metrics_of(evaluation.task):
            value, low, high = interval(
                metric.name, scored.truth, scored.prediction, scored.groups, seed=evaluation.seed
            )
            scores.append(PartScore(name, len(drawn), metric.name, value, low, high, rows.height))
    return scores


def importances(evaluation: Evaluation) -> list[Importance]:
    """Permutation importance on the rows that are judged on, or on 5,000 of them; the greatest first.

    Source: Breiman, Random Forests (2001), section 10; with the model's first metric as the score.
    """
    assert evaluation.predict is not None
    rng, metric = np.random.default_rng(evaluation.seed), METRICS[evaluation.task.main_metric]
    drawn = evaluation.rows.draw(_IMPORTANCE_ROWS, evaluation.seed)
    matrix, truth = evaluation.matrix(drawn), evaluation.truth[drawn]
    sign = 1.0 if metric.higher_is_better else -1.0
    whole = metric.compute(truth, evaluation.predict(matrix))
    losses: list[Importance] = []
    for feature, place in evaluation.encoded.places.items():
        shuffled = matrix.copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])  # the columns of a vector together
        losses.append(Importance(feature, sign * (whole - metric.compute(truth, evaluation.predict(shuffled)))))
    return sorted(losses, key=lambda importance: -importance.loss)


def weak_spots(evaluation: Evaluation, columns: Sequence[str]) -> dict[str, list[Slice]]:
    """The model's first metric for each value of the columns that have few values, and on quartiles of floats."""
    chosen = [name for name in columns if _can_be_cut(evaluation.rows, name)]
    return {name: slices(evaluation, name, evaluation.task.main_metric) for name in chosen}


def _can_be_cut(rows: LabelledRows, name: str) -> bool:
    return rows.schema[name].is_float() or 2 <= rows.column(name).n_unique() <= _MOST_SLICES


def sample_notes(scores: Sequence[PartScore], judged_rows: int) -> list[str]:
    """A sentence for each figure of the report that was computed on a sample."""
    sizes = {score.part: (score.rows, score.of) for score in scores if score.rows < score.of}
    notes = [
        f"Metrics of the {part} part: {rows} of {of} rows, drawn by the seed." for part, (rows, of) in sizes.items()
    ]
    if judged_rows > _IMPORTANCE_ROWS:
        notes.append(f"Permutation importance: {_IMPORTANCE_ROWS} of {judged_rows} test rows, drawn by the seed.")
    return notes
