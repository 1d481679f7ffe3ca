"""The assets that each monitor follows, and the newest events of many assets in one query."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys


@dataclass(frozen=True)
class WatchedMonitor:
    """A monitor with the assets that its sensors look at and request.

    Args:
        drained: the predictions and the feedback. They are materialized every few minutes, with new rows or without.
        labels: the source of the labels.
        monitoring: the monitor's own assets.
        alarms: the last of them.
        retraining: the assets that a retraining materializes.
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
        """The assets whose news the monitor follows."""
        return (*self.drained, self.labels)


def watched_monitors(projects: Sequence[Project]) -> list[WatchedMonitor]:
    """Every monitor of the projects."""
    return [_watched(project, monitor) for project in projects for monitor in project.monitors]


def _watched(project: Project, monitor: Monitor) -> WatchedMonitor:
    endpoint = monitor.watches
    labels = endpoint.model.training_set.labels
    home = project.home_of(endpoint).name
    return WatchedMonitor(
        project=project.name,
        monitor=monitor,
        drained=(keys.predictions(home, endpoint), keys.feedback(home, endpoint)),
        labels=keys.source(project.home_of(labels).name, labels),
        monitoring=(
            keys.drift(project.name, monitor),
            keys.estimated_performance(project.name, monitor),
            keys.realised_performance(project.name, monitor),
            keys.alarms(project.name, monitor),
        ),
        alarms=keys.alarms(project.name, monitor),
        retraining=keys.retraining(project, endpoint.model),
    )


def newest_events(
    instance: dg.DagsterInstance, asset_keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, dg.EventLogEntry]:
    """The newest materialization of each asset that has one, in one query for all assets."""
    records = instance.get_asset_records(list(dict.fromkeys(asset_keys)))
    entries = {record.asset_entry.asset_key: record.asset_entry.last_materialization for record in records}
    return {key: entry for key, entry in entries.items() if entry is not None}
