"""Realised performance: metrics of the labelled predictions of each window, with limits from the reference windows."""

import polars as pl

from mlp_assets.metrics.classes import classes_of
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.metrics.window_figures import add_limits, by_window, values_frame
from mlp_assets.nouns.task import Task


def realised_figures(
    reference: pl.DataFrame, windows: pl.DataFrame, *, task: Task, target: str, minimum_rows: int
) -> pl.DataFrame:
    """Figures of the methods ``realised_<metric>``.

    Args:
        reference, windows: rows with ``window``, ``prediction`` and the target.
    """
    return add_limits(
        _metrics(windows, task, target),
        _metrics(reference, task, target),
        floor=0.0,
        minimum_rows=minimum_rows,
        one_sided=False,
    )


def _metrics(frame: pl.DataFrame, task: Task, target: str) -> pl.DataFrame:
    values: list[tuple[str, str, str, float, int]] = []
    for window, rows in by_window(frame):
        truth, prediction = rows[target], rows["prediction"]
        if task.many_classes:
            classes = classes_of(pl.concat([truth, prediction.cast(truth.dtype)]))
            truth, prediction = (pl.Series(classes.truth(column)) for column in (truth, prediction))
        for name in task.logged_metrics:
            value = METRICS[name].compute(truth.to_numpy(), prediction.to_numpy())
            values.append((window, "prediction", f"realised_{name}", value, rows.height))
    return values_frame(values)
