"""Small pictures of a model, as PNG files of well under 50 kB."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_assets.metrics.classes import likeliest_class
from mlp_assets.metrics.figures import axes, png
from mlp_assets.metrics.metrics import Vector, roc_auc
from mlp_assets.models.evaluation.report import Importance
from mlp_assets.models.evaluation.slices import Slice
from mlp_assets.nouns.task import Task

_INK, _LINE, _FAINT = "#1c2330", "#0b6bcb", "#c9d2de"
_POINTS, _BARS, _CONFUSIONS = 2000, 20, 12


def performance_picture(task: Task, target: Vector, prediction: Vector, classes: Sequence[Any] = ()) -> bytes:
    """Draws what suits the task.

    A binary model: ROC and calibration. A multiclass model: confusions and calibration. A regression: predicted against
    actual values, and residuals.
    """
    draw = task.choose(binary=_binary, multiclass=_multiclass, regression=_regression)
    return draw(target, prediction, classes)


def curves_picture(history: Sequence[tuple[int, str, float]]) -> bytes | None:
    """The training's metrics over its steps; None when it logged nothing."""
    if not history:
        return None
    figure, (axis,) = axes(4.2, 3.0)
    for place, name in enumerate(dict.fromkeys(name for _, name, _ in history)):
        points = [(step, value) for step, logged, value in history if logged == name]
        axis.plot(
            *zip(*points, strict=True),
            label=name,
            color=[_LINE, "#e2703a", "#3aa675", _INK][place % 4],
            marker="o",
            ms=3,
        )
    axis.set(title="training", xlabel="step")
    axis.legend(frameon=False)
    return png(figure)


def importance_picture(importances: Sequence[Importance], metric: str) -> bytes:
    """The features that the model relies on most."""
    shown = list(importances[:_BARS])[::-1]
    figure, (axis,) = axes(5.6, 0.9 + 0.24 * len(shown))
    axis.barh([each.feature for each in shown], [each.loss for each in shown], color=_LINE)
    axis.set(title="what it relies on", xlabel=f"loss of {metric} when the feature is shuffled")
    return png(figure)


def slices_picture(column: str, slices: Sequence[Slice], metric: str, higher_is_better: bool) -> bytes:
    """The metric on each value of a column, the weakest on top."""
    usable = [part for part in slices if part.metric == part.metric]  # without NaN
    shown = sorted(usable, key=lambda part: part.metric, reverse=not higher_is_better)[:_BARS][::-1]
    figure, (axis,) = axes(5.6, 0.9 + 0.24 * len(shown))
    axis.barh([f"{part.value} ({part.rows})" for part in shown], [part.metric for part in shown], color=_LINE)
    title = f"by {column}" + (f": the weakest {_BARS} of {len(usable)}" if len(usable) > _BARS else "")
    axis.set(title=title, xlabel=f"{metric} (rows in brackets)")
    values = [part.metric for part in shown]
    if metric == "roc_auc" and values:
        axis.set_xlim(min(0.5, *values), 1.0)
    return png(figure)


def search_picture(values: Sequence[float | None], metric: str, higher_is_better: bool) -> bytes:
    """The value of each trial of a search, and the best so far; trials without a value are left out."""
    points = [(number, value) for number, value in enumerate(values, 1) if value is not None]
    figure, (axis,) = axes(5.6, 3.0)
    axis.scatter(*zip(*points, strict=True), s=14, color=_LINE)
    best = (np.maximum if higher_is_better else np.minimum).accumulate([value for _, value in points])
    axis.step([number for number, _ in points], best, where="post", color=_INK, lw=1)
    axis.set(title="search", xlabel="trial", ylabel=f"{metric} on the validation rows")
    return png(figure)


def _binary(target: Vector, prediction: Vector, _: Sequence[Any]) -> bytes:
    figure, (left, right) = axes(8.4, 3.0, 2)
    _roc(left, target, prediction)
    _calibration(right, target, prediction)
    return png(figure)


def _regression(target: Vector, prediction: Vector, _: Sequence[Any]) -> bytes:
    figure, (left, right) = axes(8.4, 3.0, 2)
    _predicted(left, target, prediction)
    right.hist(np.clip(prediction - target, -20, 20), bins=41, color=_LINE)
    right.set(title="residuals", xlabel="predicted − actual")
    return png(figure)


def _multiclass(target: Vector, prediction: Vector, classes: Sequence[Any]) -> bytes:
    guess, sure = likeliest_class(prediction), prediction.max(axis=1)
    figure, (left, right) = axes(9.6, 3.4, 2)
    _confusions(left, target, guess, classes)
    _calibration(right, (guess == target).astype(np.float64), sure)
    right.set(title="calibration of the likeliest class", xlabel="its probability", ylabel="share that is right")
    return png(figure)


def _confusions(axis: Any, target: Vector, guess: Vector, classes: Sequence[Any]) -> None:
    """The most frequent mistakes; a whole confusion matrix would be too large to read."""
    pairs, counts = np.unique(np.stack([target, guess])[:, target != guess], axis=1, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:_CONFUSIONS][::-1]
    names = [_class_name(number, classes) for number in range(-1, len(classes))]
    shown = [f"{names[int(true) + 1]} → {names[int(guessed) + 1]}" for true, guessed in pairs[:, first].T]
    axis.barh(range(len(shown)), counts[first], color=_LINE)
    axis.set_yticks(range(len(shown)), shown, fontsize=7)
    axis.set(title=f"mistakes, {int((target != guess).sum())} of {len(target)} rows", xlabel="rows")


def _class_name(number: int, classes: Sequence[Any]) -> str:
    name = str(classes[number]) if number >= 0 else "(unknown)"
    return name if len(name) <= 22 else f"{name[:21]}…"


def _roc(axis: Any, target: Vector, prediction: Vector) -> None:
    order = np.argsort(-prediction, kind="stable")
    hits, misses = np.cumsum(target[order]), np.cumsum(1 - target[order])
    kept = np.linspace(0, len(order) - 1, min(400, len(order))).astype(int)
    axis.plot([0, 1], [0, 1], color=_FAINT, lw=1)
    axis.plot(misses[kept] / misses[-1], hits[kept] / hits[-1], color=_LINE)
    axis.set(
        title=f"ROC, area {roc_auc(target, prediction):.4f}", xlabel="false positive rate", ylabel="true positive rate"
    )


def _calibration(axis: Any, target: Vector, prediction: Vector) -> None:
    order = np.argsort(prediction, kind="stable")
    bins = [part for part in np.array_split(order, 20) if len(part)]
    predicted, actual = [prediction[part].mean() for part in bins], [target[part].mean() for part in bins]
    top = max(*predicted, *actual) * 1.05
    axis.plot([0, top], [0, top], color=_FAINT, lw=1)
    axis.plot(predicted, actual, color=_LINE, marker="o", ms=3)
    axis.set(title="calibration", xlabel="predicted", ylabel="actual share")


def _predicted(axis: Any, target: Vector, prediction: Vector) -> None:
    shown = np.random.default_rng(0).permutation(len(target))[:_POINTS]
    top = float(np.quantile(np.concatenate([target, prediction]), 0.995))
    axis.plot([0, top], [0, top], color=_FAINT, lw=1)
    axis.scatter(target[shown], prediction[shown], s=4, alpha=0.4, color=_LINE, linewidths=0)
    axis.set(title="predicted against actual", xlabel="actual", ylabel="predicted", xlim=(0, top), ylim=(0, top))
