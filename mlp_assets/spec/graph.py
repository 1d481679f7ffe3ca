"""What a spec refers to, and everything that is reached from it."""

from collections.abc import Iterable, Iterator
from typing import Union

from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.entity import Entity
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.model import Model
from mlp_assets.spec.monitor import Monitor
from mlp_assets.spec.source import Source
from mlp_assets.spec.training_set import TrainingSet

Asset = Union[Source, FeatureView, TrainingSet, Model, Endpoint, Monitor]  # noqa: UP007
Spec = Union[Asset, Entity]  # noqa: UP007
ASSETS = (Source, FeatureView, TrainingSet, Model, Endpoint, Monitor)


def references(spec: Spec) -> tuple[Spec, ...]:
    """The specs that this one refers to directly."""
    match spec:
        case Source():
            return tuple(spec.inputs)
        case FeatureView():
            return (spec.entity, spec.source)
        case TrainingSet():
            return (spec.labels, *spec.features)
        case Model():
            return (spec.training_set,)
        case Endpoint():
            return (spec.model,)
        case Monitor():
            return (spec.watches,)
        case Entity():
            return ()


def reached(specs: Iterable[Spec]) -> tuple[Spec, ...]:
    """The specs and all that they refer to, each once, what is referred to first.

    Raises:
        CycleError: a spec refers to itself through others.
    """
    done: dict[int, Spec] = {}
    for spec in specs:
        _visit(spec, done, ())
    return tuple(done.values())


def _visit(spec: Spec, done: dict[int, Spec], path: tuple[Spec, ...]) -> None:
    if any(spec is earlier for earlier in path):
        start = next(index for index, earlier in enumerate(path) if earlier is spec)
        raise CycleError((*path[start:], spec))
    if id(spec) in done:
        return
    for reference in references(spec):
        if isinstance(reference, (*ASSETS, Entity)):  # pyright: ignore[reportUnnecessaryIsInstance]
            _visit(reference, done, (*path, spec))
    done[id(spec)] = spec


def wrong_references(spec: Spec) -> Iterator[tuple[str, object, str]]:
    """(field, what was written, the noun that belongs there) for each reference that is no spec of the right kind."""
    wanted: dict[str, type[object]] = {}
    match spec:
        case Source():
            wanted = {}
            for source in spec.inputs:
                if not isinstance(source, Source):  # pyright: ignore[reportUnnecessaryIsInstance]
                    yield "inputs", source, "Source"
        case FeatureView():
            wanted = {"entity": Entity, "source": Source}
        case TrainingSet():
            wanted = {"labels": Source}
            for view in spec.features:
                if not isinstance(view, FeatureView):  # pyright: ignore[reportUnnecessaryIsInstance]
                    yield "features", view, "FeatureView"
        case Model():
            wanted = {"training_set": TrainingSet}
        case Endpoint():
            wanted = {"model": Model}
        case Monitor():
            wanted = {"watches": Endpoint}
        case Entity():
            wanted = {}
    for name, noun in wanted.items():
        if not isinstance(getattr(spec, name), noun):
            yield name, getattr(spec, name), noun.__name__


class CycleError(Exception):
    """Specs refer to each other in a circle; ``path`` begins and ends with the same one."""

    def __init__(self, path: tuple[Spec, ...]) -> None:
        self.path = path
        super().__init__(" -> ".join(spec.where for spec in path))
