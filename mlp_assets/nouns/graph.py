"""The graph of specs: what is reachable from a spec through its references."""

from collections.abc import Iterable

from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.entity import Entity
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.noun import references
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet

Asset = Source | FeatureView | TrainingSet | Model | Endpoint | BatchScore | Monitor
Spec = Asset | Entity
ASSETS = (Source, FeatureView, TrainingSet, Model, Endpoint, BatchScore, Monitor)


def reachable(specs: Iterable[Spec]) -> tuple[Spec, ...]:
    """The specs and everything that they refer to, each once, in dependency order.

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
        if isinstance(reference, (*ASSETS, Entity)):
            _visit(reference, done, (*path, spec))
    done[id(spec)] = spec


class CycleError(Exception):
    """Specs refer to each other in a circle. ``path`` begins and ends with the same spec."""

    def __init__(self, path: tuple[Spec, ...]) -> None:
        self.path = path
        super().__init__(" -> ".join(spec.where for spec in path))
