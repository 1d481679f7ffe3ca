"""What every model must show, asked or not: finite predictions, which depend on nothing but their own row."""

import numpy as np

from mlp_assets.metrics.classes import finite as are_finite
from mlp_assets.models.evaluation.judgement import GateResult, Trial

FINITE, ALONE = "finite_outputs", "same_in_any_order_and_batch"
ALWAYS = {
    FINITE: "Every prediction on the newest labelled rows is a finite number.",
    ALONE: "A row's prediction is the same in any order of the rows and in requests of any size.",
}
_ROWS, _BATCHES = 500, (1, 7)
# The order in which a matrix product sums differs with the number of rows: some units in the last place of a float32.
_TOLERANCE = 1e-5


def soundness(trial: Trial) -> tuple[GateResult, ...]:
    """The checks that are made without being declared; those that need the model itself only where it is at hand."""
    broken = int((~are_finite(trial.candidate)).sum())
    told = f"{broken} of {trial.rows.height} predictions are not finite." if broken else "All predictions are finite."
    finite = GateResult(FINITE, broken == 0, told, {"not_finite": broken})
    return (finite,) if trial.predict is None else (finite, _alone(trial))


def _alone(trial: Trial) -> GateResult:
    assert trial.predict is not None
    chosen = np.random.default_rng(trial.seed).permutation(trial.rows.height)[:_ROWS]
    rows, expected = trial.matrix[chosen], trial.candidate[chosen]
    ways = {"in another order": trial.predict(rows)}
    for size in _BATCHES:
        parts = [trial.predict(rows[begin : begin + size]) for begin in range(0, len(rows), size)]
        ways[f"{size} at a time"] = np.concatenate([expected[:0], *parts])
    scale = 1.0 + np.abs(expected)
    worst = {way: float(np.max(np.abs(found - expected) / scale, initial=0.0)) for way, found in ways.items()}
    passed = all(value <= _TOLERANCE for value in worst.values())  # False for NaN
    listed = ", ".join(f"{value:.1e} {way}" for way, value in worst.items())
    return GateResult(
        ALONE,
        passed,
        f"{len(chosen)} rows predicted again differ by at most {listed}; {_TOLERANCE:g} is let pass.",
        {"largest_difference": max(worst.values(), default=0.0)},
    )
