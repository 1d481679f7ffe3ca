"""Model: how to train on a training set, with which compute, and which gates a candidate must pass."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.gates import gate_problems
from mlp_assets.nouns.compute import Compute, Local, compute_problems
from mlp_assets.nouns.encoders import Categories, Encoder, encoder_problems
from mlp_assets.nouns.gates import Gate
from mlp_assets.nouns.noun import Noun, later_field
from mlp_assets.nouns.search import Search, search_problems
from mlp_assets.nouns.source import number_problems, type_name
from mlp_assets.nouns.task import Task, TaskName
from mlp_assets.nouns.training_set import TrainingSet


@dataclass(frozen=True, eq=False)
class Model(Noun):
    """A model that is trained, judged and registered. Endpoints serve its champion.

    Args:
        name: lower-case identifier.
        training_set: the rows that it is trained, validated and judged on.
        train: ``train(run: mlp.TrainingRun)`` returns the fitted model, such as a torch module or a LightGBM booster.
        task: ``"binary"``, ``"multiclass"`` (a target of texts or whole numbers) or ``"regression"``.
        gates: at least one condition that a candidate must meet to become the champion.
        compute: ``mlp.Local()`` or ``mlp.Accelerate(processes=2)``.
        encode: input name -> encoder that makes columns of ``run.train.x`` from it. A key named here becomes an input.
        params: plain values that ``train`` reads as ``run.params``.
        search: which of ``params`` are searched. Values that the search finds override ``params``.
        seed: the seed of everything random in training, search and gates.
        skew_gate: whether a candidate is refused if features that it will read online differ from the offline path.
    """

    name: str
    training_set: TrainingSet
    train: Callable[..., Any]
    task: TaskName
    gates: Sequence[Gate]
    compute: Compute = field(default_factory=Local)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    encode: Mapping[str, Encoder] = field(default_factory=dict[str, Encoder])
    seed: int = 0
    search: Search | None = None
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    skew_gate: bool = later_field(True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", texts.frozen_sequence(self.gates))
        object.__setattr__(self, "encode", texts.frozen_mapping(self.encode))
        object.__setattr__(self, "params", texts.frozen_mapping(self.params))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def task_kind(self) -> Task:
        """The task as an object, which knows its metrics, answer columns and labels."""
        return Task.of(self.task)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs in order: the features of its training set, then the encoded keys."""
        return (*self.training_set.feature_names, *(key for key in self.training_set.keys if key in self.encode))

    @property
    def drift_columns(self) -> tuple[str, ...]:
        """Logged columns whose drift is measured besides the numbers: request texts that are categories, the answer."""
        categories = (name for name, encoder in self.encode.items() if isinstance(encoder, Categories))
        request = (name for name in categories if name in self.training_set.request)
        request_texts = (name for name in request if self.training_set.type_of(name) == pl.String)
        return (*request_texts, *self.task_kind.answer_columns)

    def own_problems(self) -> list[Problem]:
        problems = texts.function_problems(self.where, "train", self.train)
        if not self.gates:
            fix = "Write gates=[mlp.BetterThan('base_rate'), mlp.NoWorseThan('champion')], for example."
            problems.append(Problem(self.where, "it has no gates, so every candidate would be promoted", fix))
        problems += compute_problems(self.where, self.compute)
        if self.search is not None:
            problems += search_problems(self.where, self.search)
        if not 0 <= self.seed < 2**32:
            problems.append(
                Problem(self.where, f"seed={self.seed} is not between 0 and 2**32 - 1", "Write seed=0, for example.")
            )
        return problems + self._param_problems() + self._repeated_gates()

    def linked_problems(self) -> list[Problem]:
        if self.training_set.problems() or any(view.problems() for view in self.training_set.features):
            return []
        features, keys = self.training_set.feature_names, self.training_set.keys
        types = {name: self.training_set.type_of(name) for name in (*keys, *features)}
        problems = encoder_problems(self.where, self.encode, types, features) + self._target_problems()
        if not self.inputs:
            fix = f"Write features or request columns in {self.training_set.where}, or encode one of its keys."
            problems.append(Problem(self.where, "it has no inputs", fix))
        target = self.training_set.target
        return problems + [
            problem
            for gate in self.gates
            for problem in gate_problems(self.where, gate, self.task_kind, types, keys=keys, target=target)
        ]

    def _target_problems(self) -> list[Problem]:
        """The target must be a number, or the name of a class: a text or a whole number."""
        target, labels = self.training_set.target, self.training_set.labels
        if not self.task_kind.many_classes:
            return number_problems(self.where, "target", [target], labels)
        dtype = labels.columns.get(target, pl.String)
        if dtype == pl.String or dtype.is_integer():
            return []
        fix = f"Write columns={{{target!r}: pl.String}} in {labels.where}, or task='regression'."
        return [Problem(self.where, f"target {target!r} is {type_name(dtype)}, which cannot name classes", fix)]

    def _param_problems(self) -> list[Problem]:
        try:
            json.dumps(dict(self.params), allow_nan=False)
        except (TypeError, ValueError) as error:
            what = f"params cannot be sent to another process: {error}"
            return [
                Problem(
                    self.where, what, "Write plain values: texts, finite numbers, True, False, None, or lists of these."
                )
            ]
        refused = filter(None, map(texts.not_loggable, self.params))
        return [Problem(self.where, *refusal.split(". ", 1)) for refusal in refused]

    def _repeated_gates(self) -> list[Problem]:
        names = Counter(gate.name for gate in self.gates)
        repeated = [name for name, count in names.items() if count > 1]
        return [Problem(self.where, f"gate {name!r} is declared twice", "Keep one of them.") for name in repeated]
