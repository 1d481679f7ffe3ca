"""An alarm -> one retraining for each monitor, live version and alarm episode."""

from collections.abc import Sequence

import dagster as dg

from mlp_assets.orchestration.facts import AlarmFacts, metadata_of
from mlp_sensors import run_tags
from mlp_sensors.watched_monitors import WatchedMonitor, newest_events


def retraining_sensor(name: str, monitors: Sequence[WatchedMonitor], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all monitors with ``retrain=True``.

    The run key names the episode, so a second tick requests no second run.
    """
    retrainable = [monitor for monitor in monitors if monitor.retrains]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(key for monitor in retrainable for key in monitor.retraining)),
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Retrains a model when its monitor has an open alarm episode: once for each version and episode.",
    )
    def retrain(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        events = newest_events(context.instance, [monitor.alarms for monitor in retrainable])
        requests: list[dg.RunRequest] = []
        for monitor in retrainable:
            facts = AlarmFacts.from_metadata(metadata_of(events.get(monitor.alarms)))
            if facts is not None and facts.episode_open:
                requests.append(_request(monitor, facts.episode))
        if not requests:
            return dg.SkipReason("No monitor with retrain=True has an open alarm episode.")
        return dg.SensorResult(run_requests=requests)

    return retrain


def retraining_run_key(monitor: WatchedMonitor, episode: str) -> str:
    return f"retrain:{monitor.label}:{episode}"


def _request(monitor: WatchedMonitor, episode: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=retraining_run_key(monitor, episode),
        asset_selection=list(monitor.retraining),
        tags={
            run_tags.TRIGGER: run_tags.ALARM,
            run_tags.EPISODE: episode,
            run_tags.MONITOR: monitor.label,
            **run_tags.RETRIES,
        },
    )
