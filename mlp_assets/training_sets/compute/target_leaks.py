"""Detects features that almost determine the target on their own, which usually means leakage."""

from typing import Any

import numpy as np
import polars as pl

from mlp_assets.metrics.metrics import roc_auc
from mlp_assets.nouns.training_set import TrainingSet

NEAR_PERFECT = 0.999
_FEWEST_VALUES = 10


def find_target_leaks(training_set: TrainingSet, rows: pl.DataFrame) -> dict[str, float]:
    """Features that almost determine the target on their own -> how well, up to 1.

    The strength of a number is its ROC AUC (two classes) or its absolute rank correlation with the target. The strength
    of a text, and of any feature of a text target, is the share of rows whose target the other rows of the same value
    predict. Features in ``training_set.trust`` are left out.
    """
    target, leaks = rows[training_set.target], dict[str, float]()
    for name in training_set.feature_names:
        column = rows[name]
        texts = pl.String in (target.dtype, column.dtype)
        strength = _strength_of_values(target, column) if texts else _strength_of_ranks(target, column)
        if name not in training_set.trust and strength >= NEAR_PERFECT:
            leaks[name] = strength
    return leaks


def _strength_of_values(target: pl.Series, column: pl.Series) -> float:
    """The share of rows whose target is the most frequent one among the other rows of their value; a mean over targets.

    A value that occurs once predicts nothing, so texts that are all different are no leak, nor are finely measured
    numbers.
    """
    if column.dtype.is_nested() or (target.dtype.is_numeric() and target.n_unique() > 2):
        return 0.0  # an amount may well be the same wherever a text is
    pairs = pl.DataFrame({"value": column, "target": target}).drop_nulls()
    counts = pairs.group_by("value", "target").len().with_columns(rival=_count_of_rival())
    shares = (
        counts.filter(pl.col("len").sum().over("target") > 1)
        .group_by("target")
        .agg((pl.col("len") * (pl.col("len") - 1 > pl.col("rival"))).sum() / pl.col("len").sum())
    )
    share = shares["len"].mean() if shares.height > 1 else None
    return float(share) if isinstance(share, float) else 0.0


def _count_of_rival() -> pl.Expr:
    """How many rows of the value have its most frequent other target."""
    ranked = pl.col("len").sort(descending=True)
    first, second = ranked.first().over("value"), ranked.get(1, null_on_oob=True).over("value").fill_null(0)
    return pl.when(pl.col("len") == first).then(second).otherwise(first)


def _strength_of_ranks(target: pl.Series, column: pl.Series) -> float:
    if column.dtype.is_nested():
        return 0.0
    truth: np.ndarray[Any, np.dtype[np.float64]] = target.to_numpy().astype(np.float64)
    present = column.is_not_null().to_numpy()
    values = column.fill_null(0.0).to_numpy().astype(np.float64)
    classes = np.unique(truth)
    if len(classes) == 2:
        positive = (truth == classes[1]).astype(np.float64)
        by_value = _either_direction(roc_auc(positive[present], values[present]))
        return max(by_value, _either_direction(roc_auc(positive, present.astype(np.float64))))
    if present.sum() < _FEWEST_VALUES or len(classes) < 2:
        return 0.0
    frame = pl.DataFrame({"x": values[present], "y": truth[present]})
    correlation = frame.select(pl.corr("x", "y", method="spearman")).item()
    return abs(correlation) if correlation is not None and np.isfinite(correlation) else 0.0


def _either_direction(auc: float) -> float:
    return max(auc, 1 - auc) if np.isfinite(auc) else 0.0
