"""Lineage of features, read from their expressions: the columns they are computed from, and what uses them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.graph import Spec
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.training_set import TrainingSet


def source_columns(view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Feature name -> sorted columns of the view's source. A feature that only counts events reads the event time."""
    columns = {name: tuple(feature.columns) or (view.source.event_time,) for name, feature in view.features.items()}
    for name, expression in view.derived.items():
        columns[name] = tuple(c for root in expression.meta.root_names() for c in columns.get(root, (root,)))
    return {name: tuple(sorted(set(read))) for name, read in columns.items()}


def formula(view: FeatureView, name: str) -> str:
    """How a feature is computed, written as a call."""
    if name in view.derived:
        return _readable(str(view.derived[name]))
    return " / ".join(_call(part, view.empty) for part in view.features[name].parts)


def _readable(expression: str) -> str:
    """Polars' text of an expression, without the types of literals and with fewer brackets."""
    plain = re.sub(r'col\("(\w+)"\)|dyn (?:int|float): ', r"\1", expression)
    plain = re.sub(r"(?<!\w)\((\w[\w.]*)\)", r"\1", plain)
    return plain.replace("([", "(").replace("])", ")").removeprefix("[").removesuffix("]")


def _call(part: Aggregation, empty: str) -> str:
    arguments: list[str] = []
    if part.column is not None:
        arguments.append(repr(part.column) if isinstance(part.column, str) else _readable(str(part.column)))
    arguments += [f"over={part.over!r}"] if part.over is not None else []
    arguments += [f"until={part.until!r}"] if part.until is not None else []
    arguments += [f"where={_readable(str(part.where))}"] if part.where is not None else []
    arguments += [f"empty={empty!r}"] if part.traits.zero_without_events and empty != "zero" else []
    return f"{part.kind}({', '.join(arguments)})"


@dataclass(frozen=True)
class Uses:
    """What uses a feature, directly or through other features and views. ``derived`` holds ``view.feature`` names."""

    derived: tuple[str, ...]
    training_sets: tuple[TrainingSet, ...]
    models: tuple[Model, ...]
    endpoints: tuple[Endpoint, ...]
    batch_scores: tuple[BatchScore, ...]
    monitors: tuple[Monitor, ...]


T = TypeVar("T")
_Node = tuple[int, str]


class UseGraph:
    """The features of several projects and what uses them.

    Args:
        specs: the specs of all projects. Specs are compared by identity.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._specs = list({id(spec): spec for spec in specs}.values())
        self._views = {id(view): view for view in self._specs if isinstance(view, FeatureView)}
        self._users: dict[_Node, list[_Node]] = {}
        for view in self._views.values():
            self._add(view)

    def uses(self, view: FeatureView, name: str) -> Uses:
        """What uses the view's feature of this name."""
        nodes = self._reachable((id(view), name))
        names: dict[int, set[str]] = {}
        for owner, feature in nodes:
            names.setdefault(owner, set()).add(feature)
        sets = [spec for spec in self._of(TrainingSet) if any(id(own) in names for own in spec.features)]
        models = [model for model in self._of(Model) if _contains(sets, model.training_set)]
        endpoints = [endpoint for endpoint in self._of(Endpoint) if _contains(models, endpoint.model)]
        scores = [batch for batch in self._of(BatchScore) if _contains(models, batch.model)]
        monitors = [monitor for monitor in self._of(Monitor) if _contains(endpoints, monitor.watches)]
        derived = [f"{self._views[owner].name}.{feature}" for owner, feature in nodes[1:] if owner in self._views]
        derived += [f"{spec.name}.{feature}" for spec in sets for feature in _derived_from(spec, names)]
        return Uses(tuple(derived), tuple(sets), tuple(models), tuple(endpoints), tuple(scores), tuple(monitors))

    def _of(self, kind: type[T]) -> list[T]:
        return [spec for spec in self._specs if isinstance(spec, kind)]

    def _add(self, view: FeatureView) -> None:
        for name, expression in view.derived.items():
            for root in expression.meta.root_names():
                self._users.setdefault((id(view), root), []).append((id(view), name))
        if isinstance(view.source, FeatureView):
            for name, feature in view.features.items():
                for column in feature.columns:
                    self._users.setdefault((id(view.source), column), []).append((id(view), name))

    def _reachable(self, start: _Node) -> list[_Node]:
        """The feature itself and every feature computed from it, nearest first."""
        nodes = [start]
        for node in nodes:  # grows during the loop
            nodes += [user for user in dict.fromkeys(self._users.get(node, [])) if user not in nodes]
        return nodes


def _contains(specs: Sequence[object], wanted: object) -> bool:
    return any(spec is wanted for spec in specs)


def _derived_from(training_set: TrainingSet, names: dict[int, set[str]]) -> list[str]:
    """The training set's derived features that read one of ``names``, directly or through each other.

    Args:
        names: id of a view -> names of its features.
    """
    read = {name for view in training_set.features for name in names.get(id(view), set[str]())}
    derived: list[str] = []
    for name, expression in training_set.derived.items():
        if read & set(expression.meta.root_names()):
            read.add(name)
            derived.append(name)
    return derived
