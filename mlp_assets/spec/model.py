"""Model: how to train on a training set, with what compute, and which gates a candidate must pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlp_assets.spec import words
from mlp_assets.spec.errors import Problem
from mlp_assets.spec.gates import METRICS_OF_TASK, Gate, gate_problems
from mlp_assets.spec.training_set import TrainingSet

Task = Literal["binary", "regression"]


@dataclass(frozen=True)
class Local:
    """Training in one process of its own on this machine."""

    @property
    def processes(self) -> int:
        return 1


@dataclass(frozen=True)
class Accelerate:
    """Training with Hugging Face Accelerate in ``processes`` processes that share the work."""

    processes: int = 1


Compute = Local | Accelerate


@dataclass(frozen=True, eq=False)
class Model:
    """A model that is trained, judged and registered; its champion is what endpoints serve.

    Args:
        name: lower-case identifier.
        training_set: what it learns from.
        train: ``train(run: mlp.TrainingRun)`` returns the fitted model (a torch module or a LightGBM booster).
        task: ``"binary"`` or ``"regression"``.
        gates: what a candidate must pass to become the champion; at least one.
        compute: ``mlp.Local()`` or ``mlp.Accelerate(processes=2)``.
        params: plain values that ``train`` reads as ``run.params``.
        seed: the seed of everything random in training and in the gates.
    """

    name: str
    training_set: TrainingSet
    train: Callable[..., Any]
    task: Task
    gates: Sequence[Gate]
    compute: Compute = Local()
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", words.frozen_sequence(self.gates))
        object.__setattr__(self, "params", words.frozen_mapping(self.params))
        object.__setattr__(self, "tags", words.frozen_mapping(self.tags))

    @property
    def where(self) -> str:
        return f"Model {self.name!r}"

    def problems(self) -> list[Problem]:
        found = words.name_problems(self.where, self.name)
        found += words.function_problems(self.where, "train", self.train)
        if self.task not in METRICS_OF_TASK:
            what = f"task={self.task!r} is not known"
            found.append(Problem(self.where, what, words.did_you_mean(self.task, METRICS_OF_TASK)))
        if not self.gates:
            fix = "Write gates=[mlp.BetterThan('base_rate'), mlp.NoWorseThan('champion')], say."
            found.append(Problem(self.where, "it has no gates, so anything would be promoted", fix))
        if not isinstance(self.compute, Compute):  # pyright: ignore[reportUnnecessaryIsInstance]
            fix = "Write mlp.Local() or mlp.Accelerate(processes=2)."
            found.append(Problem(self.where, f"compute={self.compute!r} is no compute", fix))
        elif self.compute.processes < 1:
            what = f"processes={self.compute.processes} trains nothing"
            found.append(Problem(self.where, what, "Write processes=1 or more."))
        return found + self._gate_problems()

    def _gate_problems(self) -> list[Problem]:
        if self.training_set.problems() or any(view.problems() for view in self.training_set.features):
            return []
        features, keys = self.training_set.feature_names, self.training_set.keys
        found = [p for gate in self.gates for p in gate_problems(self.where, gate, self.task, features, keys)]
        names = [gate.name for gate in self.gates if isinstance(gate, Gate)]  # pyright: ignore[reportUnnecessaryIsInstance]
        for name in {name for name in names if names.count(name) > 1}:
            found.append(Problem(self.where, f"gate {name!r} is there twice", "Keep one of them."))
        return found
