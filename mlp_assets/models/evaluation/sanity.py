"""Checks run on every candidate, whatever gates it declares: finite predictions that depend on their own row alone."""

import numpy as np

from mlp_assets.metrics.classes import finite
from mlp_assets.models.evaluation.judgement import Evaluation, GateResult

FINITE, ALONE = "finite_outputs", "same_in_any_order_and_batch"
ALWAYS = {
    FINITE: "Every prediction on the newest labelled rows is a finite number.",
    ALONE: "A row's prediction is the same in any order of the rows and in requests of any size.",
}
_ROWS, _BATCHES = 500, (1, 7)
# A matrix product sums in another order for another number of rows: some units in the last place of a float32.
_TOLERANCE = 1e-5


def sanity_checks(evaluation: Evaluation) -> tuple[GateResult, ...]:
    """The checks that no model declares. The second needs the model itself, not only its predictions."""
    broken = int((~finite(evaluation.candidate)).sum())
    rows = evaluation.rows.height
    message = f"{broken} of {rows} predictions are not finite." if broken else "All predictions are finite."
    result = GateResult(FINITE, broken == 0, message, {"not_finite": broken})
    return (result,) if evaluation.predict is None else (result, _alone(evaluation))


def _alone(evaluation: Evaluation) -> GateResult:
    """Predicts 500 rows again: in another order, one at a time and seven at a time."""
    assert evaluation.predict is not None
    chosen = np.random.default_rng(evaluation.seed).permutation(evaluation.rows.height)[:_ROWS]
    matrix, expected = evaluation.matrix(chosen), evaluation.candidate[chosen]
    ways = {"in another order": evaluation.predict(matrix)}
    for size in _BATCHES:
        parts = [evaluation.predict(matrix[begin : begin + size]) for begin in range(0, len(matrix), size)]
        ways[f"{size} at a time"] = np.concatenate([expected[:0], *parts])
    scale = 1.0 + np.abs(expected)
    worst = {way: float(np.max(np.abs(again - expected) / scale, initial=0.0)) for way, again in ways.items()}
    passed = all(value <= _TOLERANCE for value in worst.values())  # False for NaN
    listed = ", ".join(f"{value:.1e} {way}" for way, value in worst.items())
    return GateResult(
        ALONE,
        passed,
        f"{len(chosen)} rows predicted again differ by at most {listed}; at most {_TOLERANCE:g} is allowed.",
        {"largest_difference": max(worst.values(), default=0.0)},
    )
