"""Judging a candidate: each gate on the same newest labelled rows, which neither it nor the champion trained on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.engine.baselines import baseline_prediction
from mlp_assets.engine.bootstrap import Difference, paired_bootstrap
from mlp_assets.engine.metrics import COMPARED, METRICS, Vector, scores
from mlp_assets.spec.gates import AtLeast, AtMost, BetterThan, Gate, NoWorseThan


@dataclass(frozen=True)
class GateResult:
    """The outcome of one gate, in a sentence with its numbers."""

    name: str
    passed: bool
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Trial:
    """What the gates look at: rows to fit baselines on, rows to judge on, and the predictions of both models.

    ``champion_lacks`` names the champion's inputs that the rows no longer have, for which it predicts nothing.
    """

    task: str
    target: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    fit: pl.DataFrame
    rows: pl.DataFrame
    candidate: Vector
    champion: Vector | None
    seed: int
    champion_lacks: tuple[str, ...] = ()

    @property
    def truth(self) -> Vector:
        return self.rows[self.target].to_numpy()

    def groups(self, by: str | None) -> NDArray[np.int64]:
        return self.rows[by or self.keys[0]].rank("dense").to_numpy().astype(np.int64) - 1


@dataclass(frozen=True)
class Judgement:
    """Every gate's result, and the metrics of the candidate beside those of its rivals."""

    results: tuple[GateResult, ...]
    metrics: Mapping[str, Mapping[str, float]]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)


def judge(trial: Trial, gates: tuple[Gate, ...]) -> Judgement:
    """Evaluates every gate; nothing passes on a prediction that is not finite, or on no rows."""
    broken = _unusable(trial)
    if broken is not None:
        return Judgement(tuple(GateResult(gate.name, False, broken) for gate in gates), {})
    metrics = {"candidate": scores(trial.task, trial.truth, trial.candidate)}
    if trial.champion is not None:
        metrics["champion"] = scores(trial.task, trial.truth, trial.champion)
    results: list[GateResult] = []
    for gate in gates:
        match gate:
            case AtLeast() | AtMost():
                results.append(_threshold(gate, metrics["candidate"][gate.metric]))
            case BetterThan():
                rival = _baseline(trial, gate.baseline)
                metrics[gate.baseline] = scores(trial.task, trial.truth, rival)
                results.append(_better(trial, gate, rival))
            case NoWorseThan():
                results.append(_no_worse(trial, gate))
    return Judgement(tuple(results), metrics)


def _unusable(trial: Trial) -> str | None:
    if trial.rows.is_empty():
        return "There are no labelled rows to judge on."
    if not np.isfinite(trial.candidate).all():
        return f"{int((~np.isfinite(trial.candidate)).sum())} of {trial.rows.height} predictions are not finite."
    if trial.task == "binary" and trial.rows[trial.target].n_unique() < 2:
        return "The rows to judge on hold one class only."
    return None


def _baseline(trial: Trial, baseline: str) -> Vector:
    return baseline_prediction(
        baseline, trial.fit, trial.rows, target=trial.target, keys=trial.keys, features=trial.features
    )


def _threshold(gate: AtLeast | AtMost, value: float) -> GateResult:
    passed = value >= gate.value if isinstance(gate, AtLeast) else value <= gate.value
    wanted = "at least" if isinstance(gate, AtLeast) else "at most"
    sentence = f"{gate.metric} is {value:.4f}; {wanted} {gate.value:g} is asked for."
    return GateResult(gate.name, passed and math.isfinite(value), sentence, {gate.metric: value})


def _better(trial: Trial, gate: BetterThan, rival: Vector) -> GateResult:
    names = (gate.metric,) if gate.metric else COMPARED[trial.task]
    groups = trial.groups(gate.by)
    differences = [
        paired_bootstrap(name, trial.truth, trial.candidate, rival, groups, seed=trial.seed) for name in names
    ]
    told = "; ".join(_told(difference, gate.baseline) for difference in differences)
    numbers = {f"{d.metric}_gain": d.gain for d in differences} | {f"{d.metric}_gain_low": d.low for d in differences}
    return GateResult(gate.name, all(difference.sure for difference in differences), told, numbers)


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
    names = (gate.metric,) if gate.metric else COMPARED[trial.task]
    told: list[str] = []
    numbers: dict[str, float] = {}
    passed = True
    for name in names:
        metric = METRICS[name]
        mine, theirs = metric.compute(trial.truth, trial.candidate), metric.compute(trial.truth, trial.champion)
        worse = theirs - mine if metric.higher_is_better else mine - theirs
        passed = passed and worse <= gate.margin  # False when either is NaN
        told.append(f"{name} {mine:.4f} against the champion's {theirs:.4f}, margin {gate.margin:g}")
        numbers |= {name: mine, f"champion_{name}": theirs}
    return GateResult(gate.name, passed, "; ".join(told), numbers)
