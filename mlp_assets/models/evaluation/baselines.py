"""Simple rivals of a model: fitted on the training rows, compared on the test rows.

Means, shares and base rates are computed over all training rows in batches. The two regressions come from a library
that takes all of its rows at once: where these are more than ``_FIT_BYTES`` they are fitted on rows drawn by the seed,
and ``BaselinePrediction`` says on how many. All of them predict in batches.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.metrics.classes import Classes
from mlp_assets.metrics.metrics import Vector
from mlp_assets.models.evaluation.labelled_rows import LabelledRows

_PRIOR_ROWS = 2.0
_SPARSE = 10.0  # most words are rare, and 1 would make a poor rival
_FIT_BYTES = 64_000_000  # of the numbers of a regression; fixed, so that no gate depends on a machine's memory
_TEXT_BYTES = 16_000_000  # of texts: their words and pairs of words take several times as much


@dataclass(frozen=True)
class BaselinePrediction:
    """What a baseline predicts of the rows to judge on.

    Args:
        values: (rows,) or (rows, classes).
        fitted_rows: training rows that it was fitted on.
    """

    values: Vector
    fitted_rows: int


@dataclass(frozen=True)
class _Task:
    """What all baselines are given."""

    fit: LabelledRows
    rows: LabelledRows
    target: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    classes: Classes
    seed: int

    def truths(self) -> Iterator[Vector]:
        """The targets of the training rows, a batch at a time."""
        return (self.classes.truth(batch[self.target]) for batch in self.fit.batches([self.target]))

    def drawn(self, names: list[str], most_rows: int) -> tuple[pl.DataFrame, Vector]:
        """Columns and targets of all training rows, or of so many drawn by the seed."""
        sample = self.fit.take(self.fit.draw(most_rows, self.seed), list(dict.fromkeys([*names, self.target])))
        return sample.select(names), self.classes.truth(sample[self.target])


def predict_baseline(
    baseline: str,
    fit: LabelledRows,
    rows: LabelledRows,
    *,
    target: str,
    keys: tuple[str, ...],
    features: tuple[str, ...],
    classes: Classes | None = None,
    seed: int = 0,
) -> BaselinePrediction:
    """The baseline's predictions of ``rows``, fitted on ``fit`` alone.

    - ``base_rate``: the target's mean for the row's keys, drawn by two pseudo-rows to the last key's mean
      (to the overall mean where there is one key). Of a multiclass model: the shares of the classes.
    - ``logistic_regression``: on the features that are numbers, standardised, missing ones at their mean with a flag.
    - ``tfidf``: logistic regression on the TF-IDF of the words, and pairs of words, of all texts.
    - ``mean``: the overall mean.
    - ``column:<feature>``: that feature itself; its mean where it is missing.
    """
    task = _Task(fit, rows, target, keys, features, classes or Classes(), seed)
    if baseline == "tfidf":
        return _tfidf(task)
    if baseline == "logistic_regression":
        return _logistic_regression(task)
    return BaselinePrediction(_of_all_rows(task, baseline), fit.height)


def _of_all_rows(task: _Task, baseline: str) -> Vector:
    if baseline.startswith("column:"):
        return _column(task, baseline.removeprefix("column:"))
    if baseline == "base_rate" and len(task.classes):
        return np.tile(_shares(task), (task.rows.height, 1))
    overall = _mean(task.truths())
    return _base_rate(task, overall) if baseline == "base_rate" else np.full(task.rows.height, overall)


def _mean(batches: Iterator[Vector]) -> float:
    sums = [(float(values.sum()), len(values)) for values in batches]
    return sum(total for total, _ in sums) / max(1, sum(count for _, count in sums))


def _shares(task: _Task) -> Vector:
    count = len(task.classes)
    counts = sum(np.bincount(truth.astype(np.int64), minlength=count) for truth in task.truths())
    return cast("Vector", counts / task.fit.height)


def _base_rate(task: _Task, overall: float) -> Vector:
    """Counts only the keys that the rows to judge on have."""
    keys, last = list(task.keys), [task.keys[-1]]
    asked = pl.DataFrame([task.rows.column(key) for key in keys])
    rates = _sums(task, asked, keys).with_columns(__prior=pl.lit(overall))
    if len(keys) > 1:
        priors = _sums(task, asked, last).select(*last, __prior=pl.col("__sum") / pl.col("__rows"))
        rates = rates.drop("__prior").join(priors, on=last)
    rate = (pl.col("__sum") + _PRIOR_ROWS * pl.col("__prior")) / (pl.col("__rows") + _PRIOR_ROWS)
    joined = asked.join(rates.with_columns(__rate=rate), on=keys, how="left", maintain_order="left")
    return joined["__rate"].fill_null(overall).to_numpy()


def _sums(task: _Task, asked: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    rows = task.fit.rows.select(*by, task.target).join(asked.lazy().select(by).unique(), on=by, how="semi")
    grouped = rows.group_by(by).agg(__sum=pl.col(task.target).cast(pl.Float64).sum(), __rows=pl.len())
    return grouped.collect(engine="streaming")


def _column(task: _Task, feature: str) -> Vector:
    present = (batch[feature].drop_nulls().cast(pl.Float64).to_numpy() for batch in task.fit.batches([feature]))
    return task.rows.column(feature).cast(pl.Float64).fill_null(_mean(present)).to_numpy()


def _logistic_regression(task: _Task) -> BaselinePrediction:
    names = [name for name in task.features if task.fit.schema[name].is_numeric()]
    sample, truth = task.drawn(names, _FIT_BYTES // (8 * max(1, len(names))))
    matrix = sample.to_numpy()
    prepare = _standardizer(matrix)
    model = _fit(prepare(matrix), truth)
    batches = (prepare(batch.to_numpy()) for batch in task.rows.batches(names, 2 * len(names)))
    return BaselinePrediction(_predict(model, batches, len(task.classes)), sample.height)


def _tfidf(task: _Task) -> BaselinePrediction:
    """Source: Spärck Jones, A Statistical Interpretation of Term Specificity (1972), with sublinear term counts."""
    from sklearn.feature_extraction import text

    names = [name for name in dict.fromkeys((*task.features, *task.keys)) if task.fit.schema[name] == pl.String]
    whole = pl.concat_str(names, separator=" ", ignore_nulls=True)
    size = task.fit.rows.select(whole.str.len_bytes().sum()).collect(engine="streaming").item()
    sample, truth = task.drawn(names, task.fit.height * _TEXT_BYTES // max(1, size))
    weights: Any = cast("Any", text).TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = _fit(weights.fit_transform(sample.select(whole).to_series().to_list()), truth, strength=_SPARSE)
    batches = (weights.transform(batch.select(whole).to_series().to_list()) for batch in task.rows.batches(names))
    return BaselinePrediction(_predict(model, batches, len(task.classes)), sample.height)


def _fit(matrix: Any, truth: Vector, strength: float = 1.0) -> Any:
    """Logistic regression, regularised by 1/strength."""
    from sklearn import linear_model

    return cast("Any", linear_model).LogisticRegression(C=strength, max_iter=300).fit(matrix, truth)


def _predict(model: Any, batches: Iterator[Any], classes: int) -> Vector:
    """The probability of the second class, or that of each: a sample may lack some."""
    predicted = np.concatenate([cast("Vector", model.predict_proba(batch)) for batch in batches])
    if not classes:
        return predicted[:, 1]
    probabilities = np.zeros((len(predicted), classes))
    probabilities[:, model.classes_.astype(np.int64)] = predicted
    return probabilities


def _standardizer(matrix: Any) -> Callable[[Any], Any]:
    """Mean 0 and deviation 1 by the matrix's columns, NaN at the mean, and a flag for each distinct pattern of NaN."""
    mean, spread = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0) + 1e-9
    flagged = _distinct_columns(np.isnan(matrix))
    width = matrix.shape[1]

    def prepare(values: Any) -> Any:
        missing = np.isnan(values)
        prepared = np.empty((len(values), width + len(flagged)))
        np.subtract(values, mean, out=prepared[:, :width])
        prepared[:, :width] /= spread
        prepared[:, :width][missing] = 0.0
        prepared[:, width:] = missing[:, flagged]
        return prepared

    return prepare


def _distinct_columns(flags: NDArray[np.bool_]) -> list[int]:
    """The first of each group of equal columns: views that miss the same rows give equal flags."""
    first: dict[bytes, int] = {}
    for place in range(flags.shape[1]):
        first.setdefault(np.packbits(flags[:, place]).tobytes(), place)
    return list(first.values())
