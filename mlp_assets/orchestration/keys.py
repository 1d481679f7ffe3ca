"""The asset key of each noun, the table that an asset writes, and the name of a model in the registry."""

import dagster as dg

from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Table
from mlp_resources.ports.tables import Kind

# Several assets come of one spec, and the graph in the UI shows only the last part of a key: it says which one it is.
_SUFFIXES = {
    Kind.ONLINE: "online",
    Kind.CANDIDATE: "candidate",
    Kind.CHAMPION: "champion",
    Kind.PREDICTIONS: "predictions",
    Kind.FEEDBACK: "feedback",
    Kind.DRIFT: "drift",
    Kind.ESTIMATED_PERFORMANCE: "estimated",
    Kind.REALISED_PERFORMANCE: "realised",
    Kind.ALARMS: "alarms",
    Kind.MAINTENANCE: "unused_files",
}


def source(project: str, spec: Source) -> dg.AssetKey:
    return _key(project, Kind.SOURCE, spec.name)


def features(project: str, spec: FeatureView) -> dg.AssetKey:
    return _key(project, Kind.FEATURES, spec.name)


def view_input(project: str, spec: ViewInput) -> dg.AssetKey:
    """The key of what a view reads: a source or another view."""
    return source(project, spec) if isinstance(spec, Source) else features(project, spec)


def online(project: str, spec: FeatureView) -> dg.AssetKey:
    return _key(project, Kind.ONLINE, spec.name)


def training_set(project: str, spec: TrainingSet) -> dg.AssetKey:
    return _key(project, Kind.TRAINING_SET, spec.name)


def candidate(project: str, spec: Model) -> dg.AssetKey:
    return _key(project, Kind.CANDIDATE, spec.name)


def champion(project: str, spec: Model) -> dg.AssetKey:
    return _key(project, Kind.CHAMPION, spec.name)


def endpoint(project: str, spec: Endpoint) -> dg.AssetKey:
    return _key(project, Kind.ENDPOINT, spec.name)


def predictions(project: str, spec: Endpoint) -> dg.AssetKey:
    return _key(project, Kind.PREDICTIONS, spec.name)


def feedback(project: str, spec: Endpoint) -> dg.AssetKey:
    return _key(project, Kind.FEEDBACK, spec.name)


def batch_score(project: str, spec: BatchScore) -> dg.AssetKey:
    return _key(project, Kind.BATCH_SCORE, spec.name)


def drift(project: str, spec: Monitor) -> dg.AssetKey:
    return _key(project, Kind.DRIFT, spec.name)


def estimated_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return _key(project, Kind.ESTIMATED_PERFORMANCE, spec.name)


def realised_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return _key(project, Kind.REALISED_PERFORMANCE, spec.name)


def alarms(project: str, spec: Monitor) -> dg.AssetKey:
    return _key(project, Kind.ALARMS, spec.name)


def unused_files(project: str) -> dg.AssetKey:
    return _key(project, Kind.MAINTENANCE, project)


def kind_of(key: dg.AssetKey) -> Kind | None:
    """What the asset of this key holds; None for an asset that the platform did not make."""
    path = key.path
    return Kind(path[1]) if len(path) == 3 and path[1] in {kind.value for kind in Kind} else None


def _key(project: str, kind: Kind, name: str) -> dg.AssetKey:
    return dg.AssetKey([project, kind.value, f"{name}_{_SUFFIXES[kind]}" if kind in _SUFFIXES else name])


def table(key: dg.AssetKey) -> Table:
    """The table of the lake that the asset of this key writes."""
    project, kind, name = key.path
    suffix = _SUFFIXES.get(Kind(kind))
    return tables.table_of(project, Kind(kind), name.removesuffix(f"_{suffix}") if suffix else name)


def retraining(project: Project, model: Model) -> tuple[dg.AssetKey, ...]:
    """The assets that a retraining materializes: the training set, candidate, champion and endpoints of the model.

    Assets of other projects are left out. The result is empty for a model of another project.
    """
    if project.home_of(model) is not project:
        return ()
    training_sets = [model.training_set] if project.home_of(model.training_set) is project else []
    return (
        *(training_set(project.name, spec) for spec in training_sets),
        candidate(project.name, model),
        champion(project.name, model),
        *(endpoint(project.name, spec) for spec in project.endpoints if spec.model is model),
    )


def promotions(project: str, spec: Model) -> Table:
    """The table of a model's promotions."""
    return tables.promotions(project, spec.name)


def registered_model(project: str, spec: Model) -> str:
    """The name of a model in the registry."""
    return f"{project}.{spec.name}"
