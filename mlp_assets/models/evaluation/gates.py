"""Judges a candidate: every gate on the same newest labelled rows, which neither it nor the champion trained on."""

import math
from collections.abc import Sequence

import numpy as np

from mlp_assets.metrics.bootstrap import Difference, paired_bootstrap
from mlp_assets.metrics.calibration import calibration_error, confidence_error, relative_bias
from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import scores
from mlp_assets.models.evaluation.baselines import BaselinePrediction, predict_baseline
from mlp_assets.models.evaluation.budgets import faster_than, smaller_than
from mlp_assets.models.evaluation.judgement import Evaluation, GateResult, Judgement
from mlp_assets.models.evaluation.sanity import ALWAYS, FINITE, sanity_checks
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


def judge(evaluation: Evaluation, gates: tuple[Gate, ...]) -> Judgement:
    """Evaluates every gate, and the checks of every candidate. Nothing passes on rows that cannot be judged."""
    broken = _unusable(evaluation)
    if broken is not None:
        return Judgement(tuple(GateResult(name, False, broken) for name in names(gates, evaluation)), {})
    metrics = {"candidate": scores(evaluation.task, evaluation.truth, evaluation.candidate)}
    if evaluation.champion is not None:
        metrics["champion"] = scores(evaluation.task, evaluation.truth, evaluation.champion)
    results = [_result(evaluation, gate, metrics) for gate in gates]
    return Judgement((*results, *sanity_checks(evaluation)), metrics)


def names(gates: Sequence[Gate], evaluation: Evaluation | None = None) -> list[str]:
    """Names of all checks of a model: its gates, and those that run on every candidate."""
    always = list(ALWAYS) if evaluation is None or evaluation.predict is not None else [FINITE]
    return [*(gate.name for gate in gates), *always]


def _result(evaluation: Evaluation, gate: Gate, metrics: dict[str, dict[str, float]]) -> GateResult:
    match gate:
        case AtLeast() | AtMost():
            return _threshold(gate, metrics["candidate"][gate.metric])
        case BetterThan():
            rival = _baseline(evaluation, gate.baseline)
            metrics[gate.baseline] = scores(evaluation.task, evaluation.truth, rival.values)
            return _better(evaluation, gate, rival)
        case NoWorseThan():
            return _no_worse(evaluation, gate)
        case OnEverySlice():
            return on_every_slice(evaluation, gate)
        case Calibrated():
            return _calibrated(evaluation, gate)
        case FasterThan():
            return faster_than(evaluation, gate)
        case SmallerThan():
            return smaller_than(evaluation, gate)


def _unusable(evaluation: Evaluation) -> str | None:
    if not evaluation.rows.height:
        return "There are no labelled rows to judge on."
    if not (usable := finite(evaluation.candidate)).all():
        return f"{int((~usable).sum())} of {evaluation.rows.height} predictions are not finite."
    if evaluation.task.has_classes and evaluation.rows.column(evaluation.target).n_unique() < 2:
        return "The rows to judge on are of one class only."
    return None


def _calibrated(evaluation: Evaluation, gate: Calibrated) -> GateResult:
    measure, what = evaluation.task.choose(
        binary=(calibration_error, "The expected calibration error"),
        multiclass=(confidence_error, "The expected calibration error of the likeliest class"),
        regression=(relative_bias, "The distance of the mean prediction to the truth's"),
    )
    error = measure(evaluation.truth, evaluation.candidate)
    message = f"{what} is {error:.4f}; at most {gate.most:g} is allowed."
    return GateResult(gate.name, error <= gate.most, message, {"calibration_error": error})


def _baseline(evaluation: Evaluation, baseline: str) -> BaselinePrediction:
    return predict_baseline(
        baseline, evaluation.fit, evaluation.rows, target=evaluation.target, keys=evaluation.keys,
        features=evaluation.features, classes=evaluation.classes, seed=evaluation.seed,
    )  # fmt: skip


def _threshold(gate: AtLeast | AtMost, value: float) -> GateResult:
    passed = value >= gate.value if isinstance(gate, AtLeast) else value <= gate.value
    wanted = "at least" if isinstance(gate, AtLeast) else "at most"
    sentence = f"{gate.metric} is {value:.4f}; {wanted} {gate.value:g} is required."
    return GateResult(gate.name, passed and math.isfinite(value), sentence, {gate.metric: value})


def _better(evaluation: Evaluation, gate: BetterThan, rival: BaselinePrediction) -> GateResult:
    metrics = (gate.metric,) if gate.metric else evaluation.task.compared_metrics
    groups = evaluation.groups(gate.by)
    differences = [
        paired_bootstrap(name, evaluation.truth, evaluation.candidate, rival.values, groups, seed=evaluation.seed)
        for name in metrics
    ]
    message = "; ".join(_describe(difference, gate.baseline) for difference in differences)
    if rival.fitted_rows < evaluation.fit.height:
        message += f". {gate.baseline} was fitted on {rival.fitted_rows} of {evaluation.fit.height} training rows, "
        message += "drawn by the seed"
    return GateResult(gate.name, all(difference.sure for difference in differences), message, _numbers(differences))


def _numbers(differences: Sequence[Difference]) -> dict[str, float]:
    return {f"{difference.metric}_gain": difference.gain for difference in differences} | {
        f"{difference.metric}_gain_low": difference.low for difference in differences
    }


def _describe(difference: Difference, rival: str) -> str:
    return (
        f"{difference.metric} {difference.first:.4f} against {difference.second:.4f} of {rival}: better by "
        f"{difference.gain:.4f}, 95 % interval [{difference.low:.4f}, {difference.high:.4f}]"
    )


def _no_worse(evaluation: Evaluation, gate: NoWorseThan) -> GateResult:
    if evaluation.champion_lacks:
        lost = f"The champion takes {list(evaluation.champion_lacks)}, which the training set no longer has"
        fix = "Bring them back, or take this gate out for one promotion."
        return GateResult(gate.name, False, f"{lost}, so the two cannot be compared. {fix}")
    if evaluation.champion is None:
        return GateResult(gate.name, True, "There is no champion yet: the absolute and baseline gates decide.")
    new = (
        evaluation.champion_new if evaluation.champion_new is not None else np.ones(evaluation.rows.height, dtype=bool)
    )
    if not new.any():
        message = "The champion was trained on all rows that could be judged on. Wait for newer labels."
        return GateResult(gate.name, False, message)
    truth, candidate, champion = evaluation.truth[new], evaluation.candidate[new], evaluation.champion[new]
    groups = np.unique(evaluation.groups(gate.by)[new], return_inverse=True)[1]
    metrics = (gate.metric,) if gate.metric else evaluation.task.compared_metrics
    differences = [paired_bootstrap(name, truth, candidate, champion, groups, seed=evaluation.seed) for name in metrics]
    # False where a difference is NaN.
    passed = all((each.low if gate.sure else each.gain) >= -gate.margin for each in differences)
    message = "; ".join(_describe(difference, "the champion") for difference in differences)
    message += f"; {'the whole interval' if gate.sure else 'the difference'} may be {gate.margin:g} worse."
    if not new.all():
        message += f" Judged on the {int(new.sum())} of {len(new)} rows that the champion was not trained on."
    return GateResult(gate.name, passed, message, _numbers(differences))
