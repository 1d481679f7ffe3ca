"""The only place where an asset key, a table name or a data version that sensors compare is spelled."""

import dagster as dg

from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Table

NO_ROWS_YET = "no rows yet"
ALIAS_CHECK = "alias_as_recorded"
_SUFFIX = {
    "online": "online", "candidate": "candidate", "champion": "champion", "predictions": "predictions",
    "feedback": "feedback", "drift": "drift", "estimated_performance": "estimated",
    "realised_performance": "realised", "alarms": "alarms",
}  # fmt: skip


def source(project: str, spec: Source) -> dg.AssetKey:
    return _of(tables.source(project, spec.name))


def features(project: str, spec: FeatureView) -> dg.AssetKey:
    return _of(tables.features(project, spec.name))


def view_input(project: str, spec: ViewInput) -> dg.AssetKey:
    """The key of what a view reads: a source or another view."""
    return source(project, spec) if isinstance(spec, Source) else features(project, spec)


def online(project: str, spec: FeatureView) -> dg.AssetKey:
    return _suffixed(project, "online", spec.name)


def training_set(project: str, spec: TrainingSet) -> dg.AssetKey:
    return _of(tables.training_set(project, spec.name))


def candidate(project: str, spec: Model) -> dg.AssetKey:
    return _suffixed(project, "candidate", spec.name)


def champion(project: str, spec: Model) -> dg.AssetKey:
    return _suffixed(project, "champion", spec.name)


def endpoint(project: str, spec: Endpoint) -> dg.AssetKey:
    return dg.AssetKey([project, "endpoint", spec.name])


def predictions(project: str, spec: Endpoint) -> dg.AssetKey:
    return _suffixed(project, "predictions", spec.name)


def feedback(project: str, spec: Endpoint) -> dg.AssetKey:
    return _suffixed(project, "feedback", spec.name)


def drift(project: str, spec: Monitor) -> dg.AssetKey:
    return _suffixed(project, "drift", spec.name)


def estimated_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return _suffixed(project, "estimated_performance", spec.name)


def realised_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return _suffixed(project, "realised_performance", spec.name)


def alarms(project: str, spec: Monitor) -> dg.AssetKey:
    return _suffixed(project, "alarms", spec.name)


def _suffixed(project: str, kind: str, name: str) -> dg.AssetKey:
    """Several assets come of one spec, and the UI's graph shows the last part alone: it says which one it is."""
    return dg.AssetKey([project, kind, f"{name}_{_SUFFIX[kind]}"])


def _of(table: Table) -> dg.AssetKey:
    return dg.AssetKey([table.project, table.kind, table.name])


def table(key: dg.AssetKey) -> Table:
    """The table of the lake that the asset of this key writes."""
    project, kind, name = key.path
    return Table(project, kind, name.removesuffix(f"_{_SUFFIX[kind]}") if kind in _SUFFIX else name)


def retraining(project: Project, model: Model) -> tuple[dg.AssetKey, ...]:
    """What a retraining materializes, in this project: the training set, the model and every endpoint of it.

    What belongs to another project is materialized there; a foreign model is not retrained here at all.
    """
    if project.home_of(model) is not project:
        return ()
    sets = [model.training_set] if project.home_of(model.training_set) is project else []
    return (
        *(training_set(project.name, own) for own in sets),
        candidate(project.name, model),
        champion(project.name, model),
        *(endpoint(project.name, own) for own in project.endpoints if own.model is model),
    )


def drained_version(version: int | None) -> str:
    """The data version of a drained table: its Delta version, by which sensors tell news from a drain without rows."""
    return NO_ROWS_YET if version is None else f"delta:{version}"


def promotions(project: str, spec: Model) -> Table:
    """The table of a model's promotions."""
    return Table(project, "promotions", spec.name)


def registered_model(project: str, spec: Model) -> str:
    """The name in the model registry."""
    return f"{project}.{spec.name}"
