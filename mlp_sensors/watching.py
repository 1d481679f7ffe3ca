"""What the sensors know: which assets each monitor follows, and the newest facts of many assets in one query."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys

# A run whose process died is started again; one that failed by its own verdict (a refused candidate) is not.
RETRIES = {"dagster/max_retries": "2", "dagster/retry_on_asset_or_op_failure": "false"}


@dataclass(frozen=True)
class Watched:
    """One monitor: the assets whose news it follows, its own assets, and what a retraining materializes.

    ``drained`` are the predictions and the feedback: each is materialized every few minutes, with news or without.
    """

    project: str
    monitor: Monitor
    drained: tuple[dg.AssetKey, dg.AssetKey]
    labels: dg.AssetKey
    monitoring: tuple[dg.AssetKey, ...]
    alarms: dg.AssetKey
    retraining: tuple[dg.AssetKey, ...]

    @property
    def label(self) -> str:
        return f"{self.project}.{self.monitor.name}"

    @property
    def retrains(self) -> bool:
        return self.monitor.retrain and bool(self.retraining)

    @property
    def follows(self) -> tuple[dg.AssetKey, ...]:
        return (*self.drained, self.labels)


def watched(projects: Sequence[Project]) -> list[Watched]:
    """Every monitor of the projects. What another project owns, that project retrains."""
    return [_watched(project, monitor) for project in projects for monitor in project.monitors]


def _watched(project: Project, monitor: Monitor) -> Watched:
    endpoint = monitor.watches
    model = endpoint.model
    labels = model.training_set.labels
    home = project.home_of(endpoint).name
    drained = (keys.predictions(home, endpoint), keys.feedback(home, endpoint))
    return Watched(
        project=project.name,
        monitor=monitor,
        drained=drained,
        labels=keys.source(project.home_of(labels).name, labels),
        monitoring=(
            keys.drift(project.name, monitor),
            keys.estimated_performance(project.name, monitor),
            keys.realised_performance(project.name, monitor),
            keys.alarms(project.name, monitor),
        ),
        alarms=keys.alarms(project.name, monitor),
        retraining=keys.retraining(project, model),
    )


def newest(instance: dg.DagsterInstance, asset_keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, dg.EventLogEntry]:
    """The newest materialization of each asset that has one, in one query however many there are."""
    records = instance.get_asset_records(list(dict.fromkeys(asset_keys)))
    found = {record.asset_entry.asset_key: record.asset_entry.last_materialization for record in records}
    return {key: entry for key, entry in found.items() if entry is not None}
