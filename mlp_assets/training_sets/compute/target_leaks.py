"""Columns that tell the target by themselves: nothing honest does."""

from typing import Any

import numpy as np
import polars as pl

from mlp_assets.metrics.metrics import roc_auc
from mlp_assets.nouns.training_set import TrainingSet

NEAR_PERFECT = 0.999


def near_perfect(training_set: TrainingSet, rows: pl.DataFrame) -> dict[str, float]:
    """Features that tell the target by themselves, and how well: ROC AUC of the one column, its rank correlation, or
    for texts and classes the share of answers that the other rows of the same value give.

    Nothing but the answer itself does that: an honest feature of people or markets leaves doubt.
    """
    answers, found = rows[training_set.target], dict[str, float]()
    for name in training_set.feature_names:
        column = rows[name]
        told = (
            _told_of_values(answers, column) if pl.String in (answers.dtype, column.dtype) else _told(answers, column)
        )
        if name not in training_set.trust and told >= NEAR_PERFECT:
            found[name] = told
    return found


def _told_of_values(answers: pl.Series, column: pl.Series) -> float:
    """How well the other rows of a row's value tell its answer: the share of right ones, mean over the answers.

    A value that is there once tells nothing, so texts that are all different do not, nor do finely measured numbers.
    """
    if column.dtype.is_nested() or (answers.dtype.is_numeric() and answers.n_unique() > 2):
        return 0.0  # an amount may well be the same wherever a text is
    here = pl.DataFrame({"value": column, "answer": answers}).drop_nulls()
    each = here.group_by("value", "answer").len().with_columns(rival=_most_of_another())
    told = (
        each.filter(pl.col("len").sum().over("answer") > 1)
        .group_by("answer")
        .agg((pl.col("len") * (pl.col("len") - 1 > pl.col("rival"))).sum() / pl.col("len").sum())
    )
    share = told["len"].mean() if told.height > 1 else None
    return float(share) if isinstance(share, float) else 0.0


def _most_of_another() -> pl.Expr:
    """How many rows of the value have the most frequent answer of all others than this one."""
    ranked = pl.col("len").sort(descending=True)
    first, second = ranked.first().over("value"), ranked.get(1, null_on_oob=True).over("value").fill_null(0)
    return pl.when(pl.col("len") == first).then(second).otherwise(first)


def _told(answers: pl.Series, column: pl.Series) -> float:
    if column.dtype.is_nested():
        return 0.0
    target: np.ndarray[Any, np.dtype[np.float64]] = answers.to_numpy().astype(np.float64)
    there = column.is_not_null().to_numpy()
    values = column.fill_null(0.0).to_numpy().astype(np.float64)
    classes = np.unique(target)
    if len(classes) == 2:
        positive = (target == classes[1]).astype(np.float64)
        by_value = _both_ways(roc_auc(positive[there], values[there]))
        return max(by_value, _both_ways(roc_auc(positive, there.astype(np.float64))))
    if there.sum() < 10 or len(classes) < 2:
        return 0.0
    frame = pl.DataFrame({"x": values[there], "y": target[there]})
    correlation = frame.select(pl.corr("x", "y", method="spearman")).item()
    return abs(correlation) if correlation is not None and np.isfinite(correlation) else 0.0


def _both_ways(auc: float) -> float:
    return max(auc, 1 - auc) if np.isfinite(auc) else 0.0
