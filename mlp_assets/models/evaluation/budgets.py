"""Budgets of a model: how long a prediction takes, and how large its files are."""

import time

import numpy as np

from mlp_assets.models.evaluation.judgement import Evaluation, GateResult
from mlp_assets.nouns.gates import FasterThan, SmallerThan

_WARM_UP, _CALLS, _SECONDS, _ROWS = 20, 500, 3.0, 5_000


def faster_than(evaluation: Evaluation, gate: FasterThan) -> GateResult:
    """Times the stored model in this process, on one thread, with up to 5,000 of the rows that are judged."""
    if evaluation.predict is None:
        return GateResult(gate.name, False, "The model itself is not at hand, so it cannot be timed.")
    matrix = evaluation.matrix(evaluation.rows.draw(max(_ROWS, gate.rows), evaluation.seed))
    starts = np.random.default_rng(evaluation.seed).integers(0, max(1, len(matrix) - gate.rows + 1), _CALLS + _WARM_UP)
    begun, seconds = time.perf_counter(), list[float]()
    for number, start in enumerate(starts):
        rows = matrix[start : start + gate.rows]
        before = time.perf_counter()
        evaluation.predict(rows)
        if number >= _WARM_UP:
            seconds.append(time.perf_counter() - before)
        if time.perf_counter() - begun > _SECONDS and seconds:
            break
    taken = float(np.percentile(seconds, gate.percentile)) * 1000
    message = f"{gate.percentile:g} % of {len(seconds)} predictions of {gate.rows} rows took at most {taken:.3f} ms; "
    message += f"{gate.milliseconds:g} ms are allowed."
    return GateResult(gate.name, taken <= gate.milliseconds, message, {"milliseconds": taken})


def smaller_than(evaluation: Evaluation, gate: SmallerThan) -> GateResult:
    """Adds up the bytes of all files of the artifact."""
    megabytes = evaluation.size_bytes / 1e6
    message = f"The model's files have {megabytes:.3f} MB; {gate.megabytes:g} MB are allowed."
    return GateResult(gate.name, megabytes <= gate.megabytes, message, {"megabytes": megabytes})
