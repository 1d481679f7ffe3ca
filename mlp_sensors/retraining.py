"""An alarm -> one retraining for each monitor, live version and alarm episode."""

from collections.abc import Sequence

import dagster as dg

from mlp_sensors.watching import RETRIES, Watched, newest


def retraining_sensor(name: str, monitors: Sequence[Watched], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all monitors with ``retrain=True``; the run key is the episode, so a tick more starts nothing."""
    retrainable = [monitor for monitor in monitors if monitor.retrains]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(key for monitor in retrainable for key in monitor.retraining)),
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Retrains a model when its monitor has an open alarm episode: once for each version and episode.",
    )
    def retrain(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        events = newest(context.instance, [monitor.alarms for monitor in retrainable])
        requests: list[dg.RunRequest] = []
        for monitor in retrainable:
            entry = events.get(monitor.alarms)
            materialization = entry.asset_materialization if entry is not None else None
            if materialization is None:
                continue
            facts = {key: value.value for key, value in materialization.metadata.items()}
            if not facts.get("episode_open"):
                continue
            episode = str(facts["episode"])
            requests.append(
                dg.RunRequest(
                    run_key=f"retrain:{monitor.label}:{episode}",
                    asset_selection=list(monitor.retraining),
                    tags={"mlp/trigger": "alarm", "mlp/episode": episode, "mlp/monitor": monitor.label, **RETRIES},
                )
            )
        if not requests:
            return dg.SkipReason("No monitor with retrain=True has an open alarm episode.")
        return dg.SensorResult(run_requests=requests)

    return retrain
