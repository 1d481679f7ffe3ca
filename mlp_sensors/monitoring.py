"""New predictions or labels -> the monitors that follow them are recomputed."""

import json
from collections.abc import Mapping, Sequence

import dagster as dg

from mlp_assets.orchestration.keys import NO_ROWS_YET
from mlp_sensors.watching import RETRIES, Watched, newest

_DATA_VERSION = "dagster/data_version"
_TRIGGER = "mlp/trigger"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def monitoring_sensor(name: str, monitors: Sequence[Watched], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all monitors of a code location; its cursor holds what each monitor has last seen."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(key for monitor in monitors for key in monitor.monitoring)),
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Recomputes a monitor when its endpoint's predictions or its model's labels have news.",
    )
    def recompute(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        events = newest(context.instance, [key for monitor in monitors for key in monitor.follows])
        busy = _busy(context.instance)
        requests: list[dg.RunRequest] = []
        for monitor in monitors:
            news = news_of(monitor, events)
            if news is None or monitor.label in busy:
                continue
            if seen.get(monitor.label) == news:
                continue
            seen[monitor.label] = news
            requests.append(
                dg.RunRequest(
                    run_key=run_key(monitor, news),
                    asset_selection=list(monitor.monitoring),
                    tags={_TRIGGER: "news", "mlp/monitor": monitor.label, **RETRIES},
                )
            )
        if not requests:
            return dg.SkipReason("No monitor has new predictions or labels.")
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen))

    return recompute


def news_of(monitor: Watched, events: Mapping[dg.AssetKey, dg.EventLogEntry]) -> str | None:
    """What is new for the monitor, as one word; None before its endpoint has predictions.

    A drain that found nothing leaves its table's version as it was, so it is no news. Labels count by time: a partition
    that was mended and then put back is news twice.
    """
    drained = [_version(events.get(key)) for key in monitor.drained]
    if drained[0] == NO_ROWS_YET:
        return None
    labels = events.get(monitor.labels)
    return "-".join([*drained, f"{labels.timestamp:.6f}" if labels is not None else NO_ROWS_YET])


def run_key(monitor: Watched, news: str) -> str:
    return f"monitor:{monitor.label}:{news}"


def _version(entry: dg.EventLogEntry | None) -> str:
    found = entry.asset_materialization if entry is not None else None
    return (found.tags or {}).get(_DATA_VERSION, NO_ROWS_YET) if found is not None else NO_ROWS_YET


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """The monitors that are being recomputed; their news is taken together when that is done."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={_TRIGGER: "news"}, statuses=_UNFINISHED))
    return {run.tags.get("mlp/monitor", "") for run in runs}
