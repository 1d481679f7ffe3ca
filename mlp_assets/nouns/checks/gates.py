"""Checks that a gate suits the model's task and the columns of its training set."""

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
    where: str, gate: Gate, task: Task, types: Mapping[str, Any], *, keys: Collection[str], target: str
) -> list[Problem]:
    """Problems of one gate of a model.

    Args:
        types: Polars type of each key and feature of the training set.
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
    problems = _by_problems(spot, gate.by, keys)
    if gate.rival != "champion":
        problems.append(Problem(spot, f"{gate.rival!r} is not a rival", "Write mlp.NoWorseThan('champion')."))
    if gate.margin < 0:
        problems.append(Problem(spot, f"margin={gate.margin!r} is negative", "Write a margin of 0 or more."))
    return problems


def _baseline_problems(
    spot: str, gate: BetterThan, task: Task, types: Mapping[str, Any], keys: Collection[str]
) -> list[Problem]:
    problems = _by_problems(spot, gate.by, keys)
    numbers = [name for name, dtype in types.items() if name not in keys and is_number(dtype)]
    columns = [] if task.many_classes else numbers
    choices = [*task.baselines, *(f"column:{name}" for name in columns)]
    has_input = {"tfidf": pl.String in types.values(), "logistic_regression": bool(numbers)}
    if not has_input.get(gate.baseline, True):
        kind = "texts" if gate.baseline == "tfidf" else "numbers"
        what = f"baseline {gate.baseline!r} reads {kind}, but no key or feature holds any"
        usable = [name for name in choices if has_input.get(name, True)]
        problems.append(Problem(spot, what, f"Write one of {', '.join(usable)}."))
    if gate.baseline not in choices:
        what = f"baseline {gate.baseline!r} does not exist for a {task.name} model"
        problems.append(Problem(spot, what, texts.did_you_mean(gate.baseline, choices)))
    return problems


def _by_problems(spot: str, by: str | None, keys: Collection[str]) -> list[Problem]:
    if by is None or by in keys:
        return []
    return [Problem(spot, f"by={by!r} is not a key of the training set", texts.did_you_mean(by, keys))]


def _slice_problems(spot: str, gate: OnEverySlice, columns: Collection[str]) -> list[Problem]:
    problems: list[Problem] = []
    if gate.by not in columns:
        what = f"by={gate.by!r} is not a key, feature or request column of the training set"
        problems.append(Problem(spot, what, texts.did_you_mean(gate.by, columns)))
    if gate.min_rows < 1:
        problems.append(Problem(spot, f"min_rows={gate.min_rows} is too few", "Write min_rows=1 or more."))
    return problems + _range_problems(spot, gate.metric, gate.value)


def _speed_problems(spot: str, gate: FasterThan) -> list[Problem]:
    problems = _positive_problems(spot, "milliseconds", gate.milliseconds, "5")
    if gate.rows < 1:
        problems.append(Problem(spot, f"rows={gate.rows} times no prediction", "Write rows=1 or more."))
    if not 0 < gate.percentile <= 100:
        fix = "Write percentile=99, for example."
        problems.append(Problem(spot, f"percentile={gate.percentile!r} is not between 0 and 100", fix))
    return problems


def _positive_problems(spot: str, field: str, value: float, example: str) -> list[Problem]:
    if value > 0:
        return []
    return [Problem(spot, f"{field}={value!r} lets no model pass", f"Write {field}={example}, for example.")]


def _bound_problems(spot: str, gate: AtLeast | AtMost) -> list[Problem]:
    """A bound must keep bad models out, and must lie in the range of the metric."""
    metric, value, higher = gate.metric, gate.value, gate.metric in HIGHER_IS_BETTER
    if isinstance(gate, AtLeast) != higher:
        better, right = ("higher", "AtLeast") if higher else ("lower", "AtMost")
        what = f"{metric} is better when it is {better}, so this gate passes bad models and stops good ones"
        return [Problem(spot, what, f"Write mlp.{right}({metric!r}, {value!r}).")]
    return _range_problems(spot, metric, value)


def _range_problems(spot: str, metric: str, value: float) -> list[Problem]:
    """The value must lie in the range of the metric."""
    share = metric in SHARES
    if 0 <= value <= (1 if share else float("inf")):
        return []
    what = f"{value!r} is out of range: {metric} is {'between 0 and 1' if share else '0 or more'}"
    fix = f"Write {value / 100:g}." if share and 1 < value <= 100 else "Write a value in that range."
    return [Problem(spot, what, fix)]
