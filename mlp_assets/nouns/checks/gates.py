"""What is wrong with a gate, for the model's task and the columns of its training set."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
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
from mlp_assets.nouns.source import is_number
from mlp_assets.nouns.task import HIGHER_IS_BETTER, SHARES, Task


def gate_problems(
    where: str, gate: Gate, task: Task, types: Mapping[str, Any], keys: Collection[str], target: str
) -> list[Problem]:
    """What is wrong with one gate of a model of this task.

    Args:
        types: name -> Polars type, of the keys and features of its training set.
    """
    spot = f"{where}, gate {type(gate).__name__}"
    match gate:
        case AtLeast() | AtMost():
            return _metric_problems(spot, gate.metric, task) or _bound_problems(spot, gate)
        case BetterThan():
            return _metric_problems(spot, gate.metric, task) + _baseline_problems(spot, gate, task, types, keys)
        case NoWorseThan():
            return _metric_problems(spot, gate.metric, task) + _rival_problems(spot, gate, keys)
        case OnEverySlice():
            columns = [*types, *([target] if task.many_classes else [])]
            return _metric_problems(spot, gate.metric, task) or _slice_problems(spot, gate, columns)
        case Calibrated():
            return _positive_problems(spot, "most", gate.most, "0.02")
        case FasterThan():
            return _speed_problems(spot, gate)
        case SmallerThan():
            return _positive_problems(spot, "megabytes", gate.megabytes, "50")


def _metric_problems(spot: str, metric: str | None, task: Task) -> list[Problem]:
    if metric is None or metric in task.metrics:
        return []
    what = f"metric {metric!r} does not exist for a {task.name} model"
    return [Problem(spot, what, texts.did_you_mean(metric, task.metrics))]


def _rival_problems(spot: str, gate: NoWorseThan, keys: Collection[str]) -> list[Problem]:
    found = _by_problems(spot, gate.by, keys)
    if gate.rival != "champion":
        found.append(Problem(spot, f"{gate.rival!r} is no rival", "Write mlp.NoWorseThan('champion')."))
    if gate.margin < 0:
        found.append(Problem(spot, f"margin={gate.margin!r} is negative", "Write a margin of 0 or more."))
    return found


def _baseline_problems(
    spot: str, gate: BetterThan, task: Task, types: Mapping[str, Any], keys: Collection[str]
) -> list[Problem]:
    found = _by_problems(spot, gate.by, keys)
    numbers = [name for name, dtype in types.items() if name not in keys and is_number(dtype)]
    named = [] if task.many_classes else numbers
    choices = [*task.baselines, *(f"column:{name}" for name in named)]
    wanted = {"tfidf": pl.String in types.values(), "logistic_regression": bool(numbers)}
    if not wanted.get(gate.baseline, True):
        kind = "texts" if gate.baseline == "tfidf" else "numbers"
        what = f"baseline {gate.baseline!r} reads {kind}, and there are none among the keys and features"
        rest = [name for name in choices if wanted.get(name, True)]
        found.append(Problem(spot, what, f"Write one of {', '.join(rest)}."))
    if gate.baseline not in choices:
        what = f"baseline {gate.baseline!r} does not exist for a {task.name} model"
        found.append(Problem(spot, what, texts.did_you_mean(gate.baseline, choices)))
    return found


def _by_problems(spot: str, by: str | None, keys: Collection[str]) -> list[Problem]:
    if by is None or by in keys:
        return []
    return [Problem(spot, f"by={by!r} is no key of the training set", texts.did_you_mean(by, keys))]


def _slice_problems(spot: str, gate: OnEverySlice, columns: Collection[str]) -> list[Problem]:
    found: list[Problem] = []
    if gate.by not in columns:
        what = f"by={gate.by!r} is no key, feature or request column of the training set"
        found.append(Problem(spot, what, texts.did_you_mean(gate.by, columns)))
    if gate.min_rows < 1:
        found.append(Problem(spot, f"min_rows={gate.min_rows} judges nothing", "Write min_rows=1 or more."))
    most = 1.0 if gate.metric in SHARES else float("inf")
    if not 0.0 <= gate.value <= most:
        span = f"between 0 and {most:g}" if gate.metric in SHARES else "0 or more"
        found.append(
            Problem(spot, f"{gate.value!r} is no {gate.metric}: it is {span}", "Write a value that it can have.")
        )
    return found


def _speed_problems(spot: str, gate: FasterThan) -> list[Problem]:
    found = _positive_problems(spot, "milliseconds", gate.milliseconds, "5")
    if gate.rows < 1:
        found.append(Problem(spot, f"rows={gate.rows} asks for no prediction", "Write rows=1 or more."))
    if not 0 < gate.percentile <= 100:
        fix = "Write percentile=99, say."
        found.append(Problem(spot, f"percentile={gate.percentile!r} is not between 0 and 100", fix))
    return found


def _positive_problems(spot: str, field: str, value: float, example: str) -> list[Problem]:
    if value > 0:
        return []
    return [Problem(spot, f"{field}={value!r} lets nothing pass", f"Write {field}={example}, say.")]


def _bound_problems(spot: str, gate: AtLeast | AtMost) -> list[Problem]:
    """A bound must be on the side of the good values, and among the values that the metric can have."""
    metric, value, higher = gate.metric, gate.value, gate.metric in HIGHER_IS_BETTER
    if isinstance(gate, AtLeast) != higher:
        better, right = ("higher", "AtLeast") if higher else ("lower", "AtMost")
        what = f"{metric} is better when it is {better}, so this passes the bad models"
        return [Problem(spot, what, f"Write mlp.{right}({metric!r}, {value!r}).")]
    most = 1.0 if metric in SHARES else float("inf")
    if 0.0 <= value <= most:
        return []
    span = f"between 0 and {most:g}" if metric in SHARES else "0 or more"
    fix = f"Write {value / 100:g}." if metric in SHARES and 1 < value <= 100 else "Write a value that it can have."
    return [Problem(spot, f"{value!r} is no {metric}: it is {span}", fix)]
