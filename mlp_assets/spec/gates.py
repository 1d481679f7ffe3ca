"""Gates: what a candidate must show before it may become the champion. Each becomes a blocking asset check."""

from collections.abc import Collection
from dataclasses import dataclass

from mlp_assets.spec import words
from mlp_assets.spec.errors import Problem

METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "brier"),
    "regression": ("mae", "rmse"),
}
HIGHER_IS_BETTER = ("roc_auc",)
_SHARES = ("roc_auc", "brier")
BASELINES_OF_TASK: dict[str, tuple[str, ...]] = {
    "binary": ("base_rate", "logistic_regression"),
    "regression": ("mean",),
}


@dataclass(frozen=True)
class AtLeast:
    """The metric on the newest labelled window is ``value`` or more."""

    metric: str
    value: float

    @property
    def name(self) -> str:
        return f"{self.metric}_at_least"


@dataclass(frozen=True)
class AtMost:
    """The metric on the newest labelled window is ``value`` or less."""

    metric: str
    value: float

    @property
    def name(self) -> str:
        return f"{self.metric}_at_most"


@dataclass(frozen=True)
class BetterThan:
    """Better than a simple baseline, with a paired bootstrap interval over groups that excludes zero.

    Args:
        baseline: ``"base_rate"``, ``"logistic_regression"``, ``"mean"`` or ``"column:<feature>"``.
        metric: one metric; None means roc_auc and log_loss, or mae.
        by: the key column whose values are drawn together; None means the first key.
    """

    baseline: str
    metric: str | None = None
    by: str | None = None

    @property
    def name(self) -> str:
        return "better_than_" + self.baseline.replace(":", "_")


@dataclass(frozen=True)
class NoWorseThan:
    """At most ``margin`` worse than the champion, both scored on the same newest labelled window.

    A missing champion passes: the absolute and baseline gates decide. A tie passes.
    """

    rival: str = "champion"
    metric: str | None = None
    margin: float = 0.0

    @property
    def name(self) -> str:
        return f"no_worse_than_{self.rival}"


Gate = AtLeast | AtMost | BetterThan | NoWorseThan


def gate_problems(where: str, gate: Gate, task: str, features: Collection[str], keys: Collection[str]) -> list[Problem]:
    """What is wrong with one gate of a model of this task."""
    spot = f"{where}, gate {type(gate).__name__}"
    found: list[Problem] = []
    metrics = METRICS_OF_TASK.get(task, ())
    if gate.metric is not None and gate.metric not in metrics:
        what = f"metric {gate.metric!r} does not exist for a {task} model"
        found.append(Problem(spot, what, words.did_you_mean(gate.metric, metrics)))
    if isinstance(gate, AtLeast | AtMost) and gate.metric in metrics:
        found += _bound_problems(spot, gate)
    if isinstance(gate, NoWorseThan) and gate.rival != "champion":
        found.append(Problem(spot, f"{gate.rival!r} is no rival", "Write mlp.NoWorseThan('champion')."))
    if isinstance(gate, NoWorseThan) and gate.margin < 0:
        found.append(Problem(spot, f"margin={gate.margin!r} is negative", "Write a margin of 0 or more."))
    if isinstance(gate, BetterThan):
        choices = [*BASELINES_OF_TASK.get(task, ()), *(f"column:{name}" for name in features)]
        if gate.baseline not in choices:
            what = f"baseline {gate.baseline!r} does not exist for a {task} model"
            found.append(Problem(spot, what, words.did_you_mean(gate.baseline, choices)))
        if gate.by is not None and gate.by not in keys:
            found.append(
                Problem(spot, f"by={gate.by!r} is no key of the training set", words.did_you_mean(gate.by, keys))
            )
    return found


def _bound_problems(spot: str, gate: AtLeast | AtMost) -> list[Problem]:
    """A bound must be on the side of the good values, and among the values that the metric can have."""
    metric, value, higher = gate.metric, gate.value, gate.metric in HIGHER_IS_BETTER
    if isinstance(gate, AtLeast) != higher:
        better, right = ("higher", "AtLeast") if higher else ("lower", "AtMost")
        what = f"{metric} is better when it is {better}, so this passes the bad models"
        return [Problem(spot, what, f"Write mlp.{right}({metric!r}, {value!r}).")]
    most = 1.0 if metric in _SHARES else float("inf")
    if 0.0 <= value <= most:
        return []
    span = f"between 0 and {most:g}" if metric in _SHARES else "0 or more"
    fix = f"Write {value / 100:g}." if metric in _SHARES and 1 < value <= 100 else "Write a value that it can have."
    return [Problem(spot, f"{value!r} is no {metric}: it is {span}", fix)]
