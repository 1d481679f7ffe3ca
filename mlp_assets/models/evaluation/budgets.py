"""Budgets of a model: how long it takes for a prediction, and how large its files are."""

import time

import numpy as np

from mlp_assets.models.evaluation.judgement import GateResult, Trial
from mlp_assets.nouns.gates import FasterThan, SmallerThan

_WARM_UP, _CALLS, _SECONDS = 20, 500, 3.0


def faster_than(trial: Trial, gate: FasterThan) -> GateResult:
    """Times the stored model in this process, on one thread, with rows that were judged."""
    if trial.predict is None:
        return GateResult(gate.name, False, "The model itself is not at hand, so it cannot be timed.")
    matrix = trial.matrix
    starts = np.random.default_rng(trial.seed).integers(0, max(1, len(matrix) - gate.rows + 1), _CALLS + _WARM_UP)
    begun, taken = time.perf_counter(), list[float]()
    for number, start in enumerate(starts):
        rows = matrix[start : start + gate.rows]
        before = time.perf_counter()
        trial.predict(rows)
        if number >= _WARM_UP:
            taken.append(time.perf_counter() - before)
        if time.perf_counter() - begun > _SECONDS and taken:
            break
    found = float(np.percentile(taken, gate.percentile)) * 1000
    told = f"{gate.percentile:g} % of {len(taken)} predictions of {gate.rows} rows took at most {found:.3f} ms; "
    return GateResult(
        gate.name, found <= gate.milliseconds, f"{told}{gate.milliseconds:g} ms are allowed.", {"milliseconds": found}
    )


def smaller_than(trial: Trial, gate: SmallerThan) -> GateResult:
    """Looks at the bytes of all files of the artifact."""
    found = trial.size_bytes / 1e6
    told = f"The model's files have {found:.3f} MB; {gate.megabytes:g} MB are allowed."
    return GateResult(gate.name, found <= gate.megabytes, told, {"megabytes": found})
