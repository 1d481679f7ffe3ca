"""Model: how to train on a training set, with what compute, and which gates a candidate must pass."""

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
from mlp_assets.nouns.noun import Noun
from mlp_assets.nouns.search import Search, search_problems
from mlp_assets.nouns.source import number_problems, type_name
from mlp_assets.nouns.task import Task, TaskName
from mlp_assets.nouns.training_set import TrainingSet


@dataclass(frozen=True, eq=False)
class Model(Noun):
    """A model that is trained, judged and registered; its champion is what endpoints serve.

    Args:
        name: lower-case identifier.
        training_set: what it learns from.
        train: ``train(run: mlp.TrainingRun)`` returns the fitted model (a torch module or a LightGBM model).
        task: ``"binary"``, ``"multiclass"`` (a target of texts or whole numbers) or ``"regression"``.
        gates: what a candidate must pass to become the champion; at least one.
        compute: ``mlp.Local()`` or ``mlp.Accelerate(processes=2)``.
        encode: name of an input -> how it becomes columns of ``run.train.x``; a key that is named is an input too.
        params: plain values that ``train`` reads as ``run.params``.
        search: which of them are searched; what it finds goes before ``params``.
        seed: the seed of everything random in training and in the gates.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", texts.frozen_sequence(self.gates))
        object.__setattr__(self, "encode", texts.frozen_mapping(self.encode))
        object.__setattr__(self, "params", texts.frozen_mapping(self.params))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def task_kind(self) -> Task:
        """What the task means for metrics, answers and checks."""
        return Task.of(self.task)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it is given, in this order: the features of its training set, and the keys that are encoded."""
        return (*self.training_set.feature_names, *(key for key in self.training_set.keys if key in self.encode))

    @property
    def watched(self) -> tuple[str, ...]:
        """What is watched beside numbers: the texts that are categories, and what is logged of an answer."""
        categories = (name for name, encoder in self.encode.items() if isinstance(encoder, Categories))
        kinds = (name for name in categories if name in self.training_set.request)
        return (
            *(name for name in kinds if self.training_set.type_of(name) == pl.String),
            *self.task_kind.answer_columns,
        )

    def own_problems(self) -> list[Problem]:
        found = texts.function_problems(self.where, "train", self.train)
        if not self.gates:
            fix = "Write gates=[mlp.BetterThan('base_rate'), mlp.NoWorseThan('champion')], say."
            found.append(Problem(self.where, "it has no gates, so anything would be promoted", fix))
        found += compute_problems(self.where, self.compute)
        if self.search is not None:
            found += search_problems(self.where, self.search)
        if not 0 <= self.seed < 2**32:
            found.append(Problem(self.where, f"seed={self.seed} is not usable", "Write 0 or more, below 2**32."))
        return found + self._param_problems() + self._repeated_gates()

    def linked_problems(self) -> list[Problem]:
        if self.training_set.problems() or any(view.problems() for view in self.training_set.features):
            return []
        features, keys = self.training_set.feature_names, self.training_set.keys
        types = {name: self.training_set.type_of(name) for name in (*keys, *features)}
        found = encoder_problems(self.where, self.encode, types, features) + self._target_problems()
        if not self.inputs:
            fix = f"Write features or request columns in {self.training_set.where}, or encode one of its keys."
            found.append(Problem(self.where, "it has no inputs", fix))
        told = (self.task_kind, types, keys, self.training_set.target)
        return found + [problem for gate in self.gates for problem in gate_problems(self.where, gate, *told)]

    def _target_problems(self) -> list[Problem]:
        """The target is a number; that of a multiclass model is a text or a whole number."""
        target, labels = self.training_set.target, self.training_set.labels
        if not self.task_kind.many_classes:
            return number_problems(self.where, "target", [target], labels)
        dtype = labels.columns.get(target, pl.String)
        if dtype == pl.String or dtype.is_integer():
            return []
        fix = f"Write columns={{{target!r}: pl.String}} in {labels.where}, or task='regression'."
        return [Problem(self.where, f"target {target!r} is {type_name(dtype)}, which names no classes", fix)]

    def _param_problems(self) -> list[Problem]:
        try:
            json.dumps(dict(self.params), allow_nan=False)
        except (TypeError, ValueError) as error:
            what = f"params cannot be handed to another process: {error}"
            return [Problem(self.where, what, "Write plain values: texts, finite numbers, True, None, lists of them.")]
        return []

    def _repeated_gates(self) -> list[Problem]:
        names = Counter(gate.name for gate in self.gates)
        repeated = [name for name, count in names.items() if count > 1]
        return [Problem(self.where, f"gate {name!r} is there twice", "Keep one of them.") for name in repeated]
