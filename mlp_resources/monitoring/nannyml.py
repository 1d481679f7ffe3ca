"""Drift and estimated performance with NannyML. No other module imports it."""

import logging
import math
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.metrics.window_figures import add_limits, by_window
from mlp_assets.nouns.task import Task
from mlp_assets.tables.batches import column_groups
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.monitoring.deferred_libraries import deferred
from mlp_resources.monitoring.frame_cache import FrameCache
from mlp_resources.monitoring.window_sample import draw_sample

_METHOD = "jensen_shannon"
_FLOOR = 0.1
_GONE = 1.0  # the distance of a feature without any value: the largest there is
# NannyML imports flaml, which we do not use (it tunes DLE) and which imports MLflow, Ray and XGBoost, and statsmodels
# for plots of distributions. Without both an import takes 135 MB and 3.2 CPU seconds instead of 295 MB and 8.2.
_UNUSED = {"flaml": ["AutoML"], "statsmodels": ["api"]}


class NannyMonitoring:
    """Every window is one chunk. The spread of the reference is the distance of each of its windows from the others.

    Args:
        folder: cache of each window's figures by the content of its rows and of the reference. Only new windows are
            computed.
    """

    def __init__(self, folder: Path) -> None:
        self._cache = FrameCache(folder)

    def drift(
        self, reference: pl.LazyFrame, windows: pl.LazyFrame, *, features: Sequence[str], minimum_rows: int
    ) -> pl.DataFrame:
        """Univariate drift by the Jensen-Shannon distance (0 to 1)."""
        sample = draw_sample(reference, features)
        content = f"{_METHOD} {_versions()} {canonical_digest(sample)}"
        figures = self._cache.windows(
            content,
            draw_sample(windows, features),
            lambda new: _distances(sample, new, features),
        )
        ordinary = self._cache.frame(content, lambda: _ordinary(sample, features))
        counts = windows.group_by("window").agg(rows=pl.len().cast(pl.Int64)).collect()
        figures = figures.drop("rows").join(counts, on="window", how="left")
        return add_limits(figures, ordinary, floor=_FLOOR, minimum_rows=minimum_rows)

    def estimate(
        self,
        reference: pl.LazyFrame,
        windows: pl.LazyFrame,
        *,
        task: Task,
        target: str,
        features: Sequence[str],
        minimum_rows: int,
    ) -> pl.DataFrame:
        """The estimated metric of each window: ROC AUC (binary) or accuracy (multiclass) by CBPE, MAE (regression) by
        DLE."""
        if task.many_classes:
            reference, windows = _as_right_or_wrong(reference, target), _as_right_or_wrong(windows, None)
        sample = draw_sample(reference, [*features, "prediction", target])
        rows_to_estimate = draw_sample(windows, [*features, "prediction"])
        estimator = cache(lambda: _fit_estimator(task, target, features, sample))
        content = f"{task.name} {target} {_versions()} {canonical_digest(sample)}"
        figures, ordinary = (
            self._cache.windows(content, rows, lambda new: _estimates(estimator(), new, task))
            for rows in (rows_to_estimate, sample.drop(target))
        )
        return add_limits(figures, ordinary, floor=0.0, minimum_rows=minimum_rows, one_sided=False)


def _versions() -> str:
    return " ".join(metadata.version(name) for name in ("nannyml", "mlp-assets"))


def _ordinary(reference: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """The distance of each reference window from the others."""
    distances = [
        _distances(reference.filter(pl.col("window") != window), rows, features)
        for window, rows in by_window(reference)
    ]
    return pl.concat(distances)


def _distances(reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the distance of equal samples rounds below zero
        return _distances_of(reference, windows, features)


def _distances_of(reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    usable = [name for name in features if reference[name].drop_nulls().n_unique() > 1]
    constant = [name for name in features if name not in usable]
    values: dict[tuple[str, str], tuple[str, str, str, float, int]] = {}
    for window, rows in by_window(windows.select("window", *constant)):
        distances = {name: _distance_from_constant(reference[name], rows[name]) for name in constant}
        values |= {(window, n): (window, n, _METHOD, value, rows.height) for n, value in distances.items()}
    # Features do not affect each other, and NannyML copies the frames that it is given several times.
    for names in column_groups(usable):
        calculator = _drift_calculator(reference.select(names))
        for window, rows in by_window(windows.select("window", *names)):
            distances = _distances_of_window(calculator, rows.drop("window"))
            values |= {(window, n): (window, n, _METHOD, value, rows.height) for n, value in distances.items()}
    return _as_frame([values[window, name] for window in windows["window"].unique().sort() for name in features])


def _distance_from_constant(reference: pl.Series, column: pl.Series) -> float:
    """The distance of a column from one that has at most one value, for which NannyML makes no bins.

    It is the largest where one of them has values and the other has none.
    """
    known, values = reference.drop_nulls(), column.drop_nulls()
    if known.is_empty() or values.is_empty():
        return 0.0 if known.is_empty() and values.is_empty() else _GONE
    others = int((values != known[0]).sum())
    return _divergence(others / len(values)) ** 0.5


def _divergence(others: float) -> float:
    """The Jensen-Shannon divergence, in bits, of a certain value from one that is another with this probability.

    Source: Lin, Divergence Measures Based on the Shannon Entropy (IEEE Transactions on Information Theory, 1991).
    """
    same, both = 1 - others, 1 - others / 2  # of the value, and of it in the mixture of the two
    own = math.log2(1 / both) + (same * math.log2(same / both) if same else 0.0)
    return (own + others) / 2


def _drift_calculator(reference: pl.DataFrame) -> Any:
    """NannyML's calculator, fitted on the columns."""
    texts = [name for name, dtype in reference.schema.items() if dtype == pl.String]
    calculator = _nannyml().UnivariateDriftCalculator(
        column_names=reference.columns,
        treat_as_numerical=[name for name in reference.columns if name not in texts],
        treat_as_categorical=texts,
        continuous_methods=[_METHOD],
        categorical_methods=[_METHOD],
        chunker=_one_chunk(),
    )
    return calculator.fit(reference.to_pandas())


def _distances_of_window(calculator: Any, rows: pl.DataFrame) -> dict[str, float]:
    """Column -> its distance from the calculator's reference; the largest for a column without values."""
    known = {name for name in rows.columns if rows[name].drop_nulls().len()}
    filled = rows.select(
        pl.col(name)
        if name in known
        else pl.lit("" if name in calculator.categorical_column_names else 0.0).alias(name)
        for name in rows.columns
    )
    frame = calculator.calculate(filled.to_pandas()).filter(period="analysis").to_df()
    return {n: float(frame[(n, _METHOD, "value")].iloc[0]) if n in known else _GONE for n in rows.columns}


def _fit_estimator(task: Task, target: str, features: Sequence[str], reference: pl.DataFrame) -> Any:
    estimator = _cbpe(target, task.estimated_metric) if task.has_classes else _dle(target, list(features))
    return estimator.fit(_pandas(reference, target, task))


def _estimates(estimator: Any, windows: pl.DataFrame, task: Task) -> pl.DataFrame:
    metric = task.estimated_metric
    values: list[tuple[str, str, str, float, int]] = []
    for window, rows in by_window(windows):
        frame = estimator.estimate(_pandas(rows, None, task)).filter(period="analysis").to_df()
        value = float(frame[(metric, "value")].iloc[0])
        values.append((window, "prediction", f"estimated_{metric}", value, rows.height))
    return _as_frame(values)


def _as_frame(values: list[tuple[str, str, str, float, int]]) -> pl.DataFrame:
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    return pl.DataFrame(values, schema=schema, orient="row")


def _pandas(frame: pl.DataFrame, target: str | None, task: Task) -> Any:
    if not task.has_classes:
        return frame.drop("window").to_pandas()
    decision = pl.lit(1) if task.many_classes else (pl.col("prediction") >= 0.5).cast(pl.Int64)
    truth = [] if target is None else [pl.col(target).cast(pl.Int64)]
    return frame.select("prediction", decision.alias("decision"), *truth).to_pandas()  # CBPE looks at no feature


def _as_right_or_wrong(frame: pl.LazyFrame, target: str | None) -> pl.LazyFrame:
    """Rewrites a multiclass problem as a binary one: the predicted class is right with the probability given for it.

    Source: Guillory et al., Predicting with Confidence on Unseen Distributions (ICCV 2021), with CBPE's calibration.
    """
    binary = [pl.col("probability").alias("prediction")]
    if target is not None:
        classes = frame.collect_schema()[target]
        binary.append((pl.col("prediction").cast(classes) == pl.col(target)).cast(pl.Float64).alias(target))
    return frame.with_columns(binary)


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
        """Puts all rows into one chunk: each call is given one window."""

        def _split(self, data: Any) -> list[Any]:
            return [Chunk(key="all", data=data, start_index=0, end_index=len(data) - 1)]

    return Whole()


def _nannyml() -> Any:
    warnings.filterwarnings("ignore", module="nannyml.*")
    with deferred(_UNUSED):
        import nannyml

    logging.getLogger("nannyml").setLevel(logging.ERROR)
    return nannyml
