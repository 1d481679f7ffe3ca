"""Which columns a feature is made of, and what is made of it: read from the expressions, never declared."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.graph import Spec
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.training_set import TrainingSet


def source_columns(view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Each feature's columns of the view's source, sorted; of one that only counts events, the time of the event."""
    columns = {name: tuple(feature.columns) or (view.source.event_time,) for name, feature in view.features.items()}
    for name, expression in view.derived.items():
        columns[name] = tuple(c for root in expression.meta.root_names() for c in columns.get(root, (root,)))
    return {name: tuple(sorted(set(found))) for name, found in columns.items()}


def formula(view: FeatureView, name: str) -> str:
    """How a feature is computed, as it would be written."""
    if name in view.derived:
        return _readable(str(view.derived[name]))
    return " / ".join(_written(part) for part in view.features[name].parts)


def _readable(expression: str) -> str:
    """Polars' own text of an expression without its types of literals, and with fewer brackets."""
    plain = re.sub(r'col\("(\w+)"\)|dyn (?:int|float): ', r"\1", expression)
    plain = re.sub(r"(?<!\w)\((\w[\w.]*)\)", r"\1", plain)
    return plain.replace("([", "(").replace("])", ")").removeprefix("[").removesuffix("]")


def _written(part: Aggregation) -> str:
    said = (
        [repr(part.column) if isinstance(part.column, str) else _readable(str(part.column))]
        if part.column is not None
        else []
    )
    said += [f"over={part.over!r}"] if part.over is not None else []
    said += [f"until={part.until!r}"] if part.until is not None else []
    said += [f"where={_readable(str(part.where))}"] if part.where is not None else []
    return f"{part.kind}({', '.join(said)})"


@dataclass(frozen=True)
class Uses:
    """What is made of a feature, through other features and views too. ``derived`` names features as ``view.name``."""

    derived: tuple[str, ...]
    training_sets: tuple[TrainingSet, ...]
    models: tuple[Model, ...]
    endpoints: tuple[Endpoint, ...]
    monitors: tuple[Monitor, ...]


T = TypeVar("T")
_Node = tuple[int, str]


class UseGraph:
    """The features of many projects, and what is made of them.

    Args:
        specs: of all the projects; the same object stands for the same thing.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._specs = list({id(spec): spec for spec in specs}.values())
        self._views = {id(view): view for view in self._specs if isinstance(view, FeatureView)}
        self._made: dict[_Node, list[_Node]] = {}
        for view in self._views.values():
            self._add(view)

    def uses(self, view: FeatureView, name: str) -> Uses:
        reached = self._reached((id(view), name))
        names = {place: {name for owner, name in reached if owner == place} for place, _ in reached}
        sets = [one for one in self._of(TrainingSet) if any(id(own) in names for own in one.features)]
        models = [one for one in self._of(Model) if _among(one.training_set, sets)]
        endpoints = [one for one in self._of(Endpoint) if _among(one.model, models)]
        derived = [f"{self._views[owner].name}.{made}" for owner, made in reached[1:] if owner in self._views]
        derived += [f"{one.name}.{made}" for one in sets for made in _derived_of(one, names)]
        return Uses(
            tuple(derived),
            tuple(sets),
            tuple(models),
            tuple(endpoints),
            tuple(one for one in self._of(Monitor) if _among(one.watches, endpoints)),
        )

    def _of(self, kind: type[T]) -> list[T]:
        return [spec for spec in self._specs if isinstance(spec, kind)]

    def _add(self, view: FeatureView) -> None:
        for name, expression in view.derived.items():
            for root in expression.meta.root_names():
                self._made.setdefault((id(view), root), []).append((id(view), name))
        if isinstance(view.source, FeatureView):
            for name, feature in view.features.items():
                for column in feature.columns:
                    self._made.setdefault((id(view.source), column), []).append((id(view), name))

    def _reached(self, start: _Node) -> list[_Node]:
        """The feature itself, and all that are made of it, in order of distance."""
        found = [start]
        for node in found:  # grows while it is gone through
            found += [made for made in dict.fromkeys(self._made.get(node, [])) if made not in found]
        return found


def _among(one: object, others: Sequence[object]) -> bool:
    return any(one is other for other in others)


def _derived_of(training_set: TrainingSet, names: dict[int, set[str]]) -> list[str]:
    """The training set's own derived features that read one of the names of its views."""
    reading = {name for view in training_set.features for name in names.get(id(view), set[str]())}
    made: list[str] = []
    for name, expression in training_set.derived.items():
        if reading & set(expression.meta.root_names()):
            reading.add(name)
            made.append(name)
    return made
