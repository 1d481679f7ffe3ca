"""Simple rivals of a model: fitted on the training rows, compared on the test rows."""

from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.metrics.classes import Classes
from mlp_assets.metrics.metrics import Vector

_PRIOR_ROWS = 2.0
_SPARSE = 10.0  # most words are rare: with 1 the rival would be a poor one


def baseline_prediction(
    baseline: str,
    fit: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    target: str,
    keys: tuple[str, ...],
    features: tuple[str, ...],
    classes: Classes | None = None,
) -> Vector:
    """The baseline's predictions of ``rows``, (rows,) or (rows, classes), fitted on ``fit`` alone.

    - ``base_rate``: the target's mean for the row's keys, drawn by two pseudo-rows to the last key's mean
      (to the overall mean where there is one key). Of a multiclass model: the shares of the classes.
    - ``logistic_regression``: on the features that are numbers, standardised, missing ones at their mean with a flag.
    - ``tfidf``: logistic regression on the TF-IDF of the words, and pairs of words, of all texts.
    - ``mean``: the overall mean.
    - ``column:<feature>``: that feature itself; its mean where it is missing.
    """
    classes = classes or Classes()
    truth = classes.truth(fit[target])
    if baseline == "tfidf":
        texts = [name for name in dict.fromkeys((*features, *keys)) if fit.schema[name] == pl.String]
        return _fitted(*_tfidf(fit, rows, texts), truth, len(classes), strength=_SPARSE)
    if baseline == "logistic_regression":
        numbers = tuple(name for name in features if fit.schema[name].is_numeric())
        return _fitted(*_standardized(fit, rows, numbers), truth, len(classes))
    overall = float(truth.mean())
    if baseline == "mean":
        return np.full(rows.height, overall)
    if baseline == "base_rate":
        if len(classes):
            shares = np.bincount(truth.astype(np.int64), minlength=len(classes)) / len(truth)
            return np.tile(shares, (rows.height, 1))
        return _base_rate(fit, rows, target, keys, overall)
    column = baseline.removeprefix("column:")
    filler = fit[column].mean()
    return rows[column].fill_null(cast("float", filler)).to_numpy().astype(np.float64)


def _base_rate(fit: pl.DataFrame, rows: pl.DataFrame, target: str, keys: tuple[str, ...], overall: float) -> Vector:
    prior = pl.col(target).mean().over(keys[-1]) if len(keys) > 1 else pl.lit(overall)
    rate = (pl.col(target).sum() + _PRIOR_ROWS * pl.col("__prior").first()) / (pl.len() + _PRIOR_ROWS)
    rates = fit.with_columns(__prior=prior).group_by(*keys).agg(__rate=rate)
    joined = rows.select(*keys).join(rates, on=list(keys), how="left", maintain_order="left")
    return joined["__rate"].fill_null(overall).to_numpy()


def _fitted(matrix: Any, asked: Any, truth: Vector, classes: int, strength: float = 1.0) -> Vector:
    """Logistic regression, held back by 1/strength: the probability of the second class, or that of each."""
    from sklearn import linear_model

    model: Any = cast("Any", linear_model).LogisticRegression(C=strength, max_iter=300).fit(matrix, truth)
    found = cast("Vector", model.predict_proba(asked))
    if not classes:
        return found[:, 1]
    made = np.zeros((len(found), classes))
    made[:, model.classes_.astype(np.int64)] = found
    return made


def _tfidf(fit: pl.DataFrame, rows: pl.DataFrame, texts: list[str]) -> tuple[Any, Any]:
    """Source: Spärck Jones, A Statistical Interpretation of Term Specificity (1972), with sublinear term counts."""
    from sklearn.feature_extraction import text

    weights: Any = cast("Any", text).TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    whole = pl.concat_str(texts, separator=" ", ignore_nulls=True)
    return weights.fit_transform(fit.select(whole).to_series().to_list()), weights.transform(
        rows.select(whole).to_series().to_list()
    )


def _standardized(fit: pl.DataFrame, rows: pl.DataFrame, features: tuple[str, ...]) -> tuple[Any, Any]:
    matrix = fit.select(features).to_numpy()
    mean, spread = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0) + 1e-9
    missing_columns = _distinct_columns(np.isnan(matrix))

    def prepared(values: Any) -> Any:
        missing = np.isnan(values)
        return np.hstack([np.where(missing, 0.0, (values - mean) / spread), missing[:, missing_columns]])

    return prepared(matrix), prepared(rows.select(features).to_numpy())


def _distinct_columns(flags: NDArray[np.bool_]) -> list[int]:
    """The first of each group of equal columns; views that miss the same rows give equal flags."""
    first: dict[bytes, int] = {}
    for place in range(flags.shape[1]):
        first.setdefault(np.packbits(flags[:, place]).tobytes(), place)
    return list(first.values())
