"""Judging a candidate: each gate on the same newest labelled rows, which neither it nor the champion trained on."""

import math
from collections.abc import Sequence

import numpy as np

from mlp_assets.metrics.bootstrap import Difference, paired_bootstrap
from mlp_assets.metrics.calibration import calibration_error, confidence_error, relative_bias
from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import Vector, scores
from mlp_assets.models.evaluation.baselines import baseline_prediction
from mlp_assets.models.evaluation.budgets import faster_than, smaller_than
from mlp_assets.models.evaluation.judgement import GateResult, Judgement, Trial
from mlp_assets.models.evaluation.sanity import ALWAYS, FINITE, soundness
from mlp_assets.models.evaluation.slices import on_every_slice
from mlp_assets.nouns.gates import (
    AtLeast,
    AtMost,
    BetterThan,
    Calibrated,
    FasterThan,
    Gate,
    NoWorseThan,
    OnEverySlice,
    SmallerThan,
)


def judge(trial: Trial, gates: tuple[Gate, ...]) -> Judgement:
    """Evaluates every gate, and what every model must show; nothing passes on rows that cannot be judged."""
    broken = _unusable(trial)
    if broken is not None:
        return Judgement(tuple(GateResult(name, False, broken) for name in names(gates, trial)), {})
    metrics = {"candidate": scores(trial.task, trial.truth, trial.candidate)}
    if trial.champion is not None:
        metrics["champion"] = scores(trial.task, trial.truth, trial.champion)
    results = [_result(trial, gate, metrics) for gate in gates]
    return Judgement((*results, *soundness(trial)), metrics)


def names(gates: Sequence[Gate], trial: Trial | None = None) -> list[str]:
    """The names of all checks of a model: its gates, and those that are always made."""
    always = list(ALWAYS) if trial is None or trial.predict is not None else [FINITE]
    return [*(gate.name for gate in gates), *always]


def _result(trial: Trial, gate: Gate, metrics: dict[str, dict[str, float]]) -> GateResult:
    match gate:
        case AtLeast() | AtMost():
            return _threshold(gate, metrics["candidate"][gate.metric])
        case BetterThan():
            rival = _baseline(trial, gate.baseline)
            metrics[gate.baseline] = scores(trial.task, trial.truth, rival)
            return _better(trial, gate, rival)
        case NoWorseThan():
            return _no_worse(trial, gate)
        case OnEverySlice():
            return on_every_slice(trial, gate)
        case Calibrated():
            return _calibrated(trial, gate)
        case FasterThan():
            return faster_than(trial, gate)
        case SmallerThan():
            return smaller_than(trial, gate)


def _unusable(trial: Trial) -> str | None:
    if trial.rows.is_empty():
        return "There are no labelled rows to judge on."
    if not (sound := finite(trial.candidate)).all():
        return f"{int((~sound).sum())} of {trial.rows.height} predictions are not finite."
    if trial.task.has_classes and trial.rows[trial.target].n_unique() < 2:
        return "The rows to judge on hold one class only."
    return None


def _calibrated(trial: Trial, gate: Calibrated) -> GateResult:
    error, what = trial.task.choose(
        binary=(calibration_error, "The expected calibration error"),
        multiclass=(confidence_error, "The expected calibration error of the likeliest class"),
        regression=(relative_bias, "The distance of the mean prediction to the truth's"),
    )
    found = error(trial.truth, trial.candidate)
    told = f"{what} is {found:.4f}; at most {gate.most:g} is asked for."
    return GateResult(gate.name, found <= gate.most, told, {"calibration_error": found})


def _baseline(trial: Trial, baseline: str) -> Vector:
    return baseline_prediction(
        baseline, trial.fit, trial.rows, target=trial.target, keys=trial.keys, features=trial.features,
        classes=trial.classes,
    )  # fmt: skip


def _threshold(gate: AtLeast | AtMost, value: float) -> GateResult:
    passed = value >= gate.value if isinstance(gate, AtLeast) else value <= gate.value
    wanted = "at least" if isinstance(gate, AtLeast) else "at most"
    sentence = f"{gate.metric} is {value:.4f}; {wanted} {gate.value:g} is asked for."
    return GateResult(gate.name, passed and math.isfinite(value), sentence, {gate.metric: value})


def _better(trial: Trial, gate: BetterThan, rival: Vector) -> GateResult:
    names = (gate.metric,) if gate.metric else trial.task.compared_metrics
    groups = trial.groups(gate.by)
    differences = [
        paired_bootstrap(name, trial.truth, trial.candidate, rival, groups, seed=trial.seed) for name in names
    ]
    told = "; ".join(_told(difference, gate.baseline) for difference in differences)
    return GateResult(gate.name, all(difference.sure for difference in differences), told, _numbers(differences))


def _numbers(found: Sequence[Difference]) -> dict[str, float]:
    return {f"{each.metric}_gain": each.gain for each in found} | {
        f"{each.metric}_gain_low": each.low for each in found
    }


def _told(difference: Difference, rival: str) -> str:
    return (
        f"{difference.metric} {difference.first:.4f} against {difference.second:.4f} of {rival}: better by "
        f"{difference.gain:.4f}, 95 % interval [{difference.low:.4f}, {difference.high:.4f}]"
    )


def _no_worse(trial: Trial, gate: NoWorseThan) -> GateResult:
    if trial.champion_lacks:
        lost = f"The champion takes {list(trial.champion_lacks)}, which the training set no longer has"
        fix = "Bring them back, or take this gate out for one promotion."
        return GateResult(gate.name, False, f"{lost}, so the two cannot be compared. {fix}")
    if trial.champion is None:
        return GateResult(gate.name, True, "There is no champion yet: the absolute and baseline gates decide.")
    new = trial.champion_new if trial.champion_new is not None else np.ones(trial.rows.height, dtype=bool)
    if not new.any():
        told = "The champion was trained on all rows that could be judged on. Wait for newer labels."
        return GateResult(gate.name, False, told)
    truth, candidate, champion = trial.truth[new], trial.candidate[new], trial.champion[new]
    groups = np.unique(trial.groups(gate.by)[new], return_inverse=True)[1]
    wanted = (gate.metric,) if gate.metric else trial.task.compared_metrics
    found = [paired_bootstrap(name, truth, candidate, champion, groups, seed=trial.seed) for name in wanted]
    passed = all((each.low if gate.sure else each.gain) >= -gate.margin for each in found)  # False where it is NaN
    told = "; ".join(_told(each, "the champion") for each in found)
    numbers = {f"{each.metric}_gain": each.gain for each in found} | {
        f"{each.metric}_gain_low": each.low for each in found
    }
    rule = "the whole interval" if gate.sure else "the difference"
    left = (
        "" if new.all() else f" Judged on the {int(new.sum())} of {len(new)} rows that the champion was not trained on."
    )
    return GateResult(gate.name, passed, f"{told}; {rule} may be {gate.margin:g} worse.{left}", numbers)
