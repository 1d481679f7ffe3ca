"""Compares a stored model with the model itself, on validation rows and on rows that only requests hold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.formats.scorer import Refusals, Scorer
from mlp_assets.training.frameworks.framework import ExportError, Inputs, first_line
from mlp_assets.training.probe_rows import ProbeRows

Floats = NDArray[np.float64]
# Of 1 + the largest prediction of the rows that are compared.
TOLERANCE = 1e-4
# Magnitudes of numbers that are tried; the first is the largest float32.
_SIZES = (float(np.finfo(np.float32).max), 1e37, 1e30, 1e20, 1e15, 1e10)
_ALWAYS_TAKEN = 1e6
_PROBABILITY_TOLERANCE, _SUM_TOLERANCE = 1e-6, 1e-3


@dataclass(frozen=True)
class Comparison:
    """A stored model and the model itself.

    Args:
        scorer: the stored model, without refusals.
        predict: predictions of the model itself, as ``Stored.predict``.
        name: of the model, for messages.
    """

    scorer: Scorer
    predict: Callable[[Inputs], Any]
    name: str

    def check(self, rows: Inputs, fitted: Inputs) -> Refusals:
        """Compares the two on validation rows and on probes; returns which rows the model itself refuses.

        Args:
            fitted: some rows that the model was fitted on; the probes are made of both.

        Raises:
            ExportError: the stored model answers differently, or the answers are no probabilities where the task has
                classes.
        """
        own = self._own_of_validation(rows)
        self._check_probabilities(own, "the validation rows")
        served = self._served(rows, "the validation rows")
        if not np.isfinite(served).all():
            raise ExportError("The stored model gives predictions that are not finite on the validation rows.")
        self._check_equal(own, served, "the validation rows")
        probes = ProbeRows(self.scorer.encoding, np.concatenate([rows, fitted]))
        self._check_probe(probes.mixed(), "rows whose values were drawn from other rows")
        self._check_far(probes.far())
        return Refusals(self._missing(probes), self._largest_number(probes))

    def _own_of_validation(self, rows: Inputs) -> Floats:
        try:
            answer = self.predict(rows)
        except Exception as error:  # the model's code raises what it likes
            raise ExportError(
                f"The {self.name} cannot predict the validation rows: {first_line(error)}. It has to take "
                "float32 rows as run.train.x holds them, with NaN for missing: fit it on these, and put an imputer "
                "first."
            ) from error
        return self._shaped(answer, len(rows))

    def _missing(self, probes: ProbeRows) -> tuple[str, ...]:
        """The columns in which the model takes no missing value. Compares the answers where others are missing."""
        refused = self._refused_columns(probes)
        blanked = probes.blanked(frozenset(refused))
        own = self._own(blanked)
        if own is None:  # it takes each of them alone, and not together
            return tuple(probes.may_lack)
        served = self._served(blanked, _BLANKED)
        if (_finite_rows(served) & ~_finite_rows(own)).any():
            return tuple(probes.may_lack)
        self._check_probabilities(own, _BLANKED)
        self._check_equal(own, served, _BLANKED)
        return tuple(refused)

    def _refused_columns(self, probes: ProbeRows) -> list[str]:
        everything = self._own(probes.blanked(frozenset()))
        if everything is not None and np.isfinite(everything).all():
            return []
        return [column for column in probes.may_lack if not self._answers(probes.without(column))]

    def _answers(self, rows: Inputs) -> bool:
        own = self._own(rows)
        return own is not None and bool(np.isfinite(own).all())

    def _largest_number(self, probes: ProbeRows) -> float | None:
        """The largest number up to which the two answer alike; None where they do so for infinities.

        Float32 overflows in the steps of a model, and not in the same step of its stored form.
        """
        if self._same(probes.of_size(np.inf)):
            return None
        size = next((size for size in _SIZES if self._same(probes.of_size(size))), None)
        return size if size is not None else max(_ALWAYS_TAKEN, 1000.0 * probes.largest)

    def _same(self, rows: Inputs) -> bool:
        own = self._own(rows)
        if own is None or not np.isfinite(own).all():
            return False
        try:
            return _worst(own, self._served(rows, "")) <= _limit(own)
        except ExportError:
            return False

    def _check_probe(self, rows: Inputs, what: str) -> None:
        own = self._own(rows)
        if own is not None:
            self._check_probabilities(own, what)
            self._check_equal(own, self._served(rows, what), what)

    def _check_far(self, rows: Inputs) -> None:
        """Raw scores leave the range of probabilities on such rows, however small they are on others."""
        own = self._own(rows)
        if own is not None:
            self._check_probabilities(own, "rows with numbers a thousand times as large")

    def _own(self, rows: Inputs) -> Floats | None:
        """The model's own predictions; None where it refuses the rows, by whatever it raises."""
        try:
            answer = self.predict(rows)
        except Exception:  # the model's code raises what it likes
            return None
        return self._shaped(answer, len(rows))

    def _shaped(self, answer: Any, rows: int) -> Floats:
        own, classes = np.asarray(answer, dtype=np.float64), len(self.scorer.facts.classes)
        shapes = [(rows, classes)] if classes else [(rows,), (rows, 1)]
        if own.shape not in shapes:
            expected = f"a probability of each of the {classes} classes" if classes else "one number"
            raise ExportError(
                f"The model predicts shape {own.shape} for {rows} rows. It has to return {expected} for each row."
            )
        return own.reshape(shapes[0])

    def _served(self, rows: Inputs, what: str) -> Floats:
        try:
            return self.scorer.predict(rows.astype(np.float64))
        except Exception as error:  # each library has its own
            raise ExportError(
                f"The stored model cannot answer {what}, and the model itself does: {first_line(error)}. "
                f"{_ADVICE.get(what, 'Remove the step that it cannot do')}, or write the model as an mlp.OwnModel."
            ) from error

    def _check_equal(self, own: Floats, served: Floats, what: str) -> None:
        worst = _worst(own, served)
        if not worst <= _limit(own):
            raise ExportError(
                f"The stored model's predictions differ from the model's own by up to {worst:.3g} on {what}: the "
                f"exporter does not support a step of it, or it was not trained on run.train.x as it is (float32). "
                f"{_ADVICE.get(what, 'Remove the step that differs')}, or write the model as an mlp.OwnModel."
            )

    def _check_probabilities(self, prediction: Floats, what: str) -> None:
        task, present = self.scorer.facts.task, prediction[_finite_rows(prediction)]
        if task == "multiclass":
            low, total = present.min(initial=0.0), np.abs(present.sum(axis=1) - 1).max(initial=0.0)
            if low < -_PROBABILITY_TOLERANCE or total > _SUM_TOLERANCE:
                raise ExportError(
                    "The model does not predict probabilities of the classes, which are 0 or more and sum to 1 in each "
                    "row. End it with torch.nn.Softmax(dim=1), or train for them (LightGBM's multiclass, XGBoost's "
                    "multi:softprob)."
                )
        outside = np.abs(present - 0.5) > 0.5 + _PROBABILITY_TOLERANCE
        if task == "binary" and outside.any():
            raise ExportError(
                f"The model predicts {present[outside][0]:.4g} on {what}, and a binary model predicts the probability "
                "of 1, which is between 0 and 1. End a network with torch.nn.Sigmoid(), train LightGBM with binary or "
                "XGBoost with binary:logistic, return the probability from an mlp.OwnModel, or write "
                "task='regression' in the model."
            )


_BLANKED = "rows with missing values"
_ADVICE = {
    _BLANKED: "Put an imputer first (sklearn.impute.SimpleImputer in a pipeline), return a model that takes missing "
    "values, such as HistGradientBoostingClassifier, LightGBM or XGBoost"
}


def _finite_rows(prediction: Floats) -> NDArray[np.bool_]:
    return np.logical_and.reduce(np.isfinite(prediction).reshape(len(prediction), -1), axis=1)


def _worst(own: Floats, served: Floats) -> float:
    """The largest difference; infinite where only one of the two is a finite number."""
    both = _finite_rows(own) & _finite_rows(served)
    if (_finite_rows(own) != _finite_rows(served)).any():
        return float("inf")
    return float(np.max(np.abs(served[both] - own[both]), initial=0.0))


def _limit(own: Floats) -> float:
    return TOLERANCE * (1.0 + float(np.max(np.abs(own[_finite_rows(own)]), initial=0.0)))
