"""The only place where an asset key, a table name or a check name is spelled."""

import dagster as dg

from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.model import Model
from mlp_assets.spec.monitor import Monitor
from mlp_assets.spec.source import Source
from mlp_assets.spec.training_set import TrainingSet
from mlp_resources.ports import Table


def source(project: str, spec: Source) -> dg.AssetKey:
    return dg.AssetKey([project, "source", spec.name])


def features(project: str, spec: FeatureView) -> dg.AssetKey:
    return dg.AssetKey([project, "features", spec.name])


def online(project: str, spec: FeatureView) -> dg.AssetKey:
    return dg.AssetKey([project, "online", spec.name])


def training_set(project: str, spec: TrainingSet) -> dg.AssetKey:
    return dg.AssetKey([project, "training_set", spec.name])


def candidate(project: str, spec: Model) -> dg.AssetKey:
    return dg.AssetKey([project, "candidate", spec.name])


def champion(project: str, spec: Model) -> dg.AssetKey:
    return dg.AssetKey([project, "champion", spec.name])


def endpoint(project: str, spec: Endpoint) -> dg.AssetKey:
    return dg.AssetKey([project, "endpoint", spec.name])


def predictions(project: str, spec: Endpoint) -> dg.AssetKey:
    return dg.AssetKey([project, "predictions", spec.name])


def feedback(project: str, spec: Endpoint) -> dg.AssetKey:
    return dg.AssetKey([project, "feedback", spec.name])


def drift(project: str, spec: Monitor) -> dg.AssetKey:
    return dg.AssetKey([project, "drift", spec.name])


def estimated_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return dg.AssetKey([project, "estimated_performance", spec.name])


def realised_performance(project: str, spec: Monitor) -> dg.AssetKey:
    return dg.AssetKey([project, "realised_performance", spec.name])


def alarms(project: str, spec: Monitor) -> dg.AssetKey:
    return dg.AssetKey([project, "alarms", spec.name])


def table(key: dg.AssetKey) -> Table:
    """The table of the lake that the asset of this key writes."""
    project, kind, name = key.path
    return Table(project, kind, name)


def registered_model(project: str, spec: Model) -> str:
    """The name in the model registry."""
    return f"{project}.{spec.name}"
