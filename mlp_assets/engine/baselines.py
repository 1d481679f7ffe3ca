"""Simple rivals of a model: fitted on the training rows, compared on the test rows."""

from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.engine.metrics import Vector

_PRIOR_ROWS = 2.0


def baseline_prediction(
    baseline: str,
    fit: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    target: str,
    keys: tuple[str, ...],
    features: tuple[str, ...],
) -> Vector:
    """The baseline's predictions of ``rows`` (rows,), fitted on ``fit`` alone.

    - ``base_rate``: the target's mean for the row's keys, drawn by two pseudo-rows to the last key's mean
      (to the overall mean where there is one key).
    - ``logistic_regression``: on the features that are numbers, standardised, missing ones at their mean with a flag.
    - ``mean``: the overall mean.
    - ``column:<feature>``: that feature itself; its mean where it is missing.
    """
    overall = float(cast("float", fit[target].mean()))
    if baseline == "mean":
        return np.full(rows.height, overall)
    if baseline == "base_rate":
        return _base_rate(fit, rows, target, keys, overall)
    if baseline == "logistic_regression":
        return _logistic_regression(fit, rows, target, features)
    column = baseline.removeprefix("column:")
    filler = fit[column].mean()
    return rows[column].fill_null(cast("float", filler)).to_numpy().astype(np.float64)


def _base_rate(fit: pl.DataFrame, rows: pl.DataFrame, target: str, keys: tuple[str, ...], overall: float) -> Vector:
    prior = pl.col(target).mean().over(keys[-1]) if len(keys) > 1 else pl.lit(overall)
    rate = (pl.col(target).sum() + _PRIOR_ROWS * pl.col("__prior").first()) / (pl.len() + _PRIOR_ROWS)
    rates = fit.with_columns(__prior=prior).group_by(*keys).agg(__rate=rate)
    joined = rows.select(*keys).join(rates, on=list(keys), how="left", maintain_order="left")
    return joined["__rate"].fill_null(overall).to_numpy()


def _logistic_regression(fit: pl.DataFrame, rows: pl.DataFrame, target: str, features: tuple[str, ...]) -> Vector:
    from sklearn import linear_model  # pyright: ignore[reportMissingTypeStubs]  # it has none

    features = tuple(name for name in features if fit.schema[name].is_numeric())
    matrix = fit.select(features).to_numpy()
    mean, spread = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0) + 1e-9

    def prepared(values: Any) -> Any:
        missing = np.isnan(values)
        return np.hstack([np.where(missing, 0.0, (values - mean) / spread), missing[:, missing_columns]])

    missing_columns = _distinct_columns(np.isnan(matrix))
    fitted: Any = (
        cast("Any", linear_model).LogisticRegression(max_iter=300).fit(prepared(matrix), fit[target].to_numpy())
    )
    return cast("Vector", fitted.predict_proba(prepared(rows.select(features).to_numpy()))[:, 1])


def _distinct_columns(flags: NDArray[np.bool_]) -> list[int]:
    """The first of each group of equal columns; views that miss the same rows give equal flags."""
    first: dict[bytes, int] = {}
    for place in range(flags.shape[1]):
        first.setdefault(np.packbits(flags[:, place]).tobytes(), place)
    return list(first.values())
