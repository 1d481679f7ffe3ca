"""Drift and estimated performance by NannyML. The only file that knows it."""

import logging
import os
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.metrics.window_figures import add_limits, by_window
from mlp_assets.nouns.task import Task
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.monitoring.frame_cache import FrameCache

_METHOD = "jensen_shannon"
_FLOOR = 0.1
_GONE = 1.0  # a feature without any value is as far from its reference as can be
_ROWS_PER_WINDOW = 10_000
_SEED = 1


class NannyMonitoring:
    """Every window is one chunk. Each reference window is scored against the others: its ordinary distance.

    ``folder`` keeps the figures of each window by the content of its rows and of the reference, so that a new window
    costs what one window costs, however many there are.
    """

    def __init__(self, folder: Path) -> None:
        self._cache = FrameCache(folder)

    def drift(
        self, reference: pl.DataFrame, windows: pl.DataFrame, *, features: Sequence[str], minimum_rows: int
    ) -> pl.DataFrame:
        """Univariate drift by the Jensen-Shannon distance (0 to 1)."""
        kept = _sampled(reference.select("window", *features))
        content = f"{_METHOD} {_versions()} {canonical_digest(kept)}"
        told = self._cache.windows(
            content,
            _sampled(windows.select("window", *features)),
            lambda new: _distances(kept, new, features),
        )
        ordinary = self._cache.frame(content, lambda: _ordinary(kept, features))
        counts = windows.group_by("window").agg(rows=pl.len().cast(pl.Int64))
        told = told.drop("rows").join(counts, on="window", how="left")
        return add_limits(told, ordinary, floor=_FLOOR, minimum_rows=minimum_rows)

    def estimate(
        self,
        reference: pl.DataFrame,
        windows: pl.DataFrame,
        *,
        task: Task,
        target: str,
        features: Sequence[str],
        minimum_rows: int,
    ) -> pl.DataFrame:
        """CBPE's estimate of the ROC AUC for a binary model and of the accuracy for a multiclass one, DLE's of the MAE
        for a regression."""
        if task.many_classes:
            reference, windows = _as_right_or_wrong(reference, target), _as_right_or_wrong(windows, None)
        kept = _sampled(reference.select("window", *features, "prediction", target))
        shown = _sampled(windows.select("window", *features, "prediction"))
        fitted = cache(lambda: _estimator(task, target, features, kept))
        content = f"{task.name} {target} {_versions()} {canonical_digest(kept)}"
        told, ordinary = (
            self._cache.windows(content, rows, lambda new: _estimates(fitted(), new, task))
            for rows in (shown, kept.drop(target))
        )
        return add_limits(told, ordinary, floor=0.0, minimum_rows=minimum_rows, one_sided=False)


def _versions() -> str:
    return " ".join(metadata.version(name) for name in ("nannyml", "mlp-assets"))


def _ordinary(reference: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """The distance of each reference window from the others."""
    found = [
        _distances(reference.filter(pl.col("window") != window), rows, features)
        for window, rows in by_window(reference)
    ]
    return pl.concat(found)


def _distances(reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the distance of equal samples rounds below zero
        return _distances_of(reference, windows, features)


def _distances_of(reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    nml = _nannyml()
    usable = [name for name in features if reference[name].drop_nulls().n_unique() > 1]
    found: list[tuple[str, str, str, float, int]] = []
    if usable:
        texts = [name for name in usable if reference.schema[name] == pl.String]
        calculator = nml.UnivariateDriftCalculator(
            column_names=usable,
            treat_as_numerical=[name for name in usable if name not in texts],
            treat_as_categorical=texts,
            continuous_methods=[_METHOD],
            categorical_methods=[_METHOD],
            chunker=_one_chunk(),
        )
        calculator.fit(reference.select(usable).to_pandas())
        for window, rows in by_window(windows):
            known = [name for name in usable if rows[name].drop_nulls().len()]
            shown = rows.select(pl.col(n) if n in known else pl.lit("" if n in texts else 0.0).alias(n) for n in usable)
            frame = calculator.calculate(shown.to_pandas()).filter(period="analysis").to_df()
            values = {n: float(frame[(n, _METHOD, "value")].iloc[0]) if n in known else _GONE for n in usable}
            found += [(window, name, _METHOD, value, rows.height) for name, value in values.items()]
    return _tidy_values(found)


def _estimator(task: Task, target: str, features: Sequence[str], reference: pl.DataFrame) -> Any:
    estimator = _cbpe(target, task.estimated_metric) if task.has_classes else _dle(target, list(features))
    return estimator.fit(_pandas(reference, target, task))


def _estimates(estimator: Any, windows: pl.DataFrame, task: Task) -> pl.DataFrame:
    metric = task.estimated_metric
    found: list[tuple[str, str, str, float, int]] = []
    for window, rows in by_window(windows):
        frame = estimator.estimate(_pandas(rows, None, task)).filter(period="analysis").to_df()
        value = float(frame[(metric, "value")].iloc[0])
        found.append((window, "prediction", f"estimated_{metric}", value, rows.height))
    return _tidy_values(found)


def _tidy_values(found: list[tuple[str, str, str, float, int]]) -> pl.DataFrame:
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    return pl.DataFrame(found, schema=schema, orient="row")


def _sampled(frame: pl.DataFrame) -> pl.DataFrame:
    parts = [
        rows.sample(_ROWS_PER_WINDOW, seed=_SEED) if rows.height > _ROWS_PER_WINDOW else rows
        for _, rows in by_window(frame)
    ]
    return pl.concat(parts) if parts else frame


def _pandas(frame: pl.DataFrame, target: str | None, task: Task) -> Any:
    shown = frame.drop("window")
    if task.has_classes:
        decision = pl.lit(1) if task.many_classes else (pl.col("prediction") >= 0.5).cast(pl.Int64)
        shown = shown.with_columns(decision=decision)
        if target is not None:
            shown = shown.with_columns(pl.col(target).cast(pl.Int64))
    return shown.to_pandas()


def _as_right_or_wrong(frame: pl.DataFrame, target: str | None) -> pl.DataFrame:
    """A multiclass model's class is right with its probability: a binary question, of which the answer is always yes.

    Source: Guillory et al., Predicting with Confidence on Unseen Distributions (ICCV 2021), with CBPE's calibration.
    """
    made = frame.with_columns(prediction=pl.col("probability"))
    if target is None:
        return made
    right = frame["prediction"].cast(frame.schema[target]) == frame[target]
    return made.with_columns(right.cast(pl.Float64).alias(target))


def _cbpe(target: str, metric: str) -> Any:
    return _nannyml().CBPE(
        problem_type="classification_binary",
        y_pred_proba="prediction",
        y_pred="decision",
        y_true=target,
        metrics=[metric],
        chunker=_one_chunk(),
    )


def _dle(target: str, features: list[str]) -> Any:
    return _nannyml().DLE(
        feature_column_names=features, y_pred="prediction", y_true=target, metrics=["mae"], chunker=_one_chunk()
    )


def _one_chunk() -> Any:
    _nannyml()
    from nannyml.chunk import Chunk, Chunker

    class Whole(Chunker):
        """All rows are one chunk: the caller has cut the windows."""

        def _split(self, data: Any) -> list[Any]:
            return [Chunk(key="all", data=data, start_index=0, end_index=len(data) - 1)]

    return Whole()


def _nannyml() -> Any:
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    warnings.filterwarnings("ignore", module="nannyml.*")
    import nannyml

    logging.getLogger("nannyml").setLevel(logging.ERROR)
    return nannyml
