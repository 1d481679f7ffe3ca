"""The functions that a user's repository calls: ``definitions_for(project)`` builds Dagster definitions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from mlp_assets.backfill.execution import Progress, Summary
from mlp_assets.backfill.project_backfill import Days, run_backfill
from mlp_assets.backfill.work import AssetWork
from mlp_assets.batch_scores.batch_score_asset import batch_score_asset, batch_score_jobs
from mlp_assets.endpoints.endpoint_asset import endpoint_asset, feedback_asset, predictions_asset
from mlp_assets.endpoints.skew_gate import judge_skew
from mlp_assets.features.feature_asset import features_asset
from mlp_assets.features.late_arrivals import late_arrivals
from mlp_assets.features.online_asset import online_asset
from mlp_assets.features.source_asset import source_asset
from mlp_assets.maintenance.unused_files_asset import unused_files_asset
from mlp_assets.models.candidate_asset import candidate_asset
from mlp_assets.models.champion_asset import champion_asset
from mlp_assets.models.promotions import alias_problem
from mlp_assets.models.reproduce import Reproduction, reproduce
from mlp_assets.monitors.monitor_asset import monitor_assets
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.cadence import cadence_of
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.jobs import project_jobs
from mlp_assets.orchestration.schedules import newest_request
from mlp_assets.orchestration.scope import Scope
from mlp_assets.preview.changes import Consequences, FeatureChange, find_consequences
from mlp_assets.training_sets.training_set_asset import training_set_asset
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.settings import load_settings
from mlp_resources.ports.environment import Environment
from mlp_sensors.aliases import alias_sensor
from mlp_sensors.arrivals import ArrivalView, arrival_sensor
from mlp_sensors.monitoring import monitoring_sensor
from mlp_sensors.retraining import retraining_sensor
from mlp_sensors.watched_monitors import watched_monitors

__all__ = [
    "AssetWork",
    "Consequences",
    "Days",
    "FeatureChange",
    "Progress",
    "Reproduction",
    "Summary",
    "backfill_project",
    "definitions_for",
    "plan_changes",
    "project_assets",
    "reproduce_version",
]


def definitions_for(
    *projects: Project, environment: Environment | None = None, sensor_interval_seconds: int | None = None
) -> dg.Definitions:
    """The Dagster definitions of the projects: assets, checks, jobs, schedules and sensors.

    Args:
        projects: projects, with every noun that they reach.
        environment: which adapters to use; those that the settings choose by default.
        sensor_interval_seconds: the shortest time between two ticks of a sensor; ``MLP_SENSOR_SECONDS`` by default.
    """
    surroundings = environment if environment is not None else configured_environment()
    interval = sensor_interval_seconds or load_settings().sensor_seconds
    monitors = watched_monitors(projects)
    sensors = [monitoring_sensor("recompute_monitors", monitors, interval)] if monitors else []
    if any(monitor.retrains for monitor in monitors):
        sensors.append(retraining_sensor("retrain_on_alarm", monitors, interval))
    scopes = [Scope(project, surroundings) for project in projects]
    champions = {
        keys.champion(scope.project.name, model): partial(alias_problem, scope, model)
        for scope in scopes
        for model in scope.project.models
    }
    if champions:
        sensors.append(alias_sensor("watch_aliases", champions, interval))
    arriving = [view for scope in scopes for view in _arrival_views(scope)]
    if arriving:
        sensors.append(arrival_sensor("publish_arrivals", arriving, interval))
    launched = [jobs(project) for project in projects for jobs in (project_jobs, batch_score_jobs)]
    return dg.Definitions(
        assets=[asset for scope in scopes for asset in project_assets(scope)],
        jobs=[job for jobs, _ in launched for job in jobs],
        schedules=[schedule for _, schedules in launched for schedule in schedules],
        sensors=sensors,
        executor=dg.in_process_executor,
    )


def _arrival_views(scope: Scope) -> Iterable[ArrivalView]:
    """The views of a project that are published when late rows arrive."""
    project = scope.project
    for view in project.feature_views:
        if view.publish == "on_arrival":
            computed = (keys.features(project.name, view), keys.online(project.name, view))
            arrived = partial(late_arrivals, scope, view)
            yield ArrivalView(f"{project.name}/{view.name}", computed, arrived, partial(_newest, scope, view))


def _newest(scope: Scope, view: FeatureView) -> dg.RunRequest | dg.SkipReason:
    return newest_request(cadence_of(scope.project, view), scope.environment.now())


def plan_changes(
    *projects: Project, instance: dg.DagsterInstance, environment: Environment | None = None
) -> Consequences:
    """The consequences of the projects, as declared now, for the assets that were materialized."""
    surroundings = environment if environment is not None else configured_environment()
    graph = definitions_for(*projects, environment=surroundings).resolve_asset_graph()
    return find_consequences([Scope(project, surroundings) for project in projects], graph, instance)


def backfill_project(
    project: Project,
    days: Days,
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
    environment: Environment | None = None,
) -> Summary:
    """Computes the missing and stale partitions of a project's sources and views, and publishes the features.

    Raises:
        SpanError: the days cannot be computed.
    """
    surroundings = environment if environment is not None else configured_environment()
    definitions = definitions_for(project, environment=surroundings)
    return run_backfill(Scope(project, surroundings), definitions, instance, progress, days)


def reproduce_version(
    project: Project, model: Model, number: str, *, tolerance: float = 0.01, environment: Environment | None = None
) -> Reproduction:
    """Trains a registered version of the model again and compares. Changes nothing in the registry or the lake.

    Args:
        number: the number of the version.
        tolerance: the relative difference of a metric that is accepted if code, libraries or hardware differ.

    Raises:
        NotReproducibleError: the version, or data that it was trained on, is gone.
    """
    surroundings = environment if environment is not None else configured_environment()
    with surroundings.scratch() as scratch:
        return reproduce(Scope(project, surroundings), model, number, tolerance, scratch)


def project_assets(scope: Scope) -> Sequence[Any]:
    """The assets of one project, sources first, and its maintenance."""
    assets = [
        asset
        for noun, build in _ASSETS.items()
        for spec in scope.project.specs_of(noun)
        for asset in build(scope, spec)
    ]
    return [*assets, unused_files_asset(scope)]


def _view_assets(scope: Scope, view: FeatureView) -> Iterable[Any]:
    yield features_asset(scope, view)
    if view.online:
        yield online_asset(scope, view)


# Noun -> what builds its assets. A new noun is one more row.
_ASSETS: Mapping[type[Any], Callable[[Scope, Any], Iterable[Any]]] = {
    Source: lambda scope, source: [source_asset(scope, source)],
    FeatureView: _view_assets,
    TrainingSet: lambda scope, training_set: [training_set_asset(scope, training_set)],
    Model: lambda scope, model: [candidate_asset(scope, model, judge_skew), champion_asset(scope, model)],
    Endpoint: lambda scope, endpoint: [
        build(scope, endpoint) for build in (endpoint_asset, predictions_asset, feedback_asset)
    ],
    BatchScore: lambda scope, batch: [batch_score_asset(scope, batch)],
    Monitor: monitor_assets,
}
