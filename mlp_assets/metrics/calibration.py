"""Whether predictions mean what they say: of rows with a probability of 0.3, three in ten come true."""

import numpy as np

from mlp_assets.metrics.classes import chosen
from mlp_assets.metrics.metrics import Vector

_BINS = 10


def calibration_error(truth: Vector, prediction: Vector, bins: int = _BINS) -> float:
    """The expected calibration error over bins of equally many rows: the mean distance, weighted by rows, of the mean
    prediction of a bin to the share that came true. Rows of one prediction may lie in two bins.

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
    """The expected calibration error of the likeliest class: how far its probability is from how often it is right.

    Args:
        prediction: (rows, classes) probabilities.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (ICML 2017), with bins as above.
    """
    return calibration_error((chosen(prediction) == truth).astype(np.float64), prediction.max(axis=1, initial=0.0))


def relative_bias(truth: Vector, prediction: Vector) -> float:
    """How far the mean prediction lies from the mean of the truth, in parts of the latter; NaN where that is 0."""
    mean = float(truth.mean()) if len(truth) else 0.0
    return abs(float(prediction.mean()) - mean) / abs(mean) if mean else float("nan")
