"""Calibration: among rows with a predicted probability of 0.3, three in ten should come true."""

import numpy as np

from mlp_assets.metrics.classes import likeliest_class
from mlp_assets.metrics.metrics import Vector

_BINS = 10


def calibration_error(truth: Vector, prediction: Vector, bins: int = _BINS) -> float:
    """The expected calibration error over bins of equally many rows.

    It is the mean over the bins, weighted by rows, of the distance between the bin's mean prediction and its share of
    ones. Rows with equal predictions may lie in two bins. NaN without rows.

    Args:
        truth: (rows,) 0 or 1.
        prediction: (rows,) probabilities.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015),
    with the equal-mass bins of Nguyen and O'Connor (EMNLP 2015).
    """
    if not len(truth):
        return float("nan")
    order = np.argsort(prediction, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    distances = [abs(prediction[part].mean() - truth[part].mean()) * len(part) for part in parts]
    return float(sum(distances) / len(truth))


def confidence_error(truth: Vector, prediction: Vector) -> float:
    """The expected calibration error of the likeliest class: its probability against how often it is right.

    Args:
        truth: (rows,) class numbers.
        prediction: (rows, classes) probabilities.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (ICML 2017), with bins as above.
    """
    right = (likeliest_class(prediction) == truth).astype(np.float64)
    return calibration_error(right, prediction.max(axis=1, initial=0.0))


def relative_bias(truth: Vector, prediction: Vector) -> float:
    """The distance between the means of prediction and truth, relative to the mean of the truth; NaN if that is 0."""
    mean = float(truth.mean()) if len(truth) else 0.0
    return abs(float(prediction.mean()) - mean) / abs(mean) if mean else float("nan")
