"""New predictions or labels -> a recomputation of the monitors that follow them."""

import json
from collections.abc import Mapping, Sequence

import dagster as dg

from mlp_assets.orchestration.facts import NO_ROWS_YET, data_version_of
from mlp_sensors import run_tags
from mlp_sensors.unfinished_runs import tagged_runs
from mlp_sensors.watched_monitors import WatchedMonitor, newest_events


def monitoring_sensor(name: str, monitors: Sequence[WatchedMonitor], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all monitors of a code location. Its cursor holds the last news of each monitor."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(key for monitor in monitors for key in monitor.monitoring)),
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Recomputes a monitor when its endpoint has new predictions or its model new labels.",
    )
    def recompute(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        last_news: dict[str, str] = json.loads(context.cursor or "{}")
        events = newest_events(context.instance, [key for monitor in monitors for key in monitor.follows])
        running = tagged_runs(context.instance, run_tags.NEWS, run_tags.MONITOR)  # their further news is taken later
        requests: list[dg.RunRequest] = []
        for monitor in monitors:
            news = news_of(monitor, events)
            if news is None or monitor.label in running or last_news.get(monitor.label) == news:
                continue
            last_news[monitor.label] = news
            requests.append(_request(monitor, news))
        if not requests:
            return dg.SkipReason("No monitor has new predictions or labels.")
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(last_news))

    return recompute


def news_of(monitor: WatchedMonitor, events: Mapping[dg.AssetKey, dg.EventLogEntry]) -> str | None:
    """A word that changes whenever the monitor has new rows to look at; None before the first prediction.

    A drain without new rows leaves the version of its table as it was, so it is no news. Labels count by the time of
    their materialization: a partition that is corrected and then restored is news twice.
    """
    drained = [data_version_of(events.get(key)) or NO_ROWS_YET for key in monitor.drained]
    if drained[0] == NO_ROWS_YET:
        return None
    labels = events.get(monitor.labels)
    return "-".join([*drained, f"{labels.timestamp:.6f}" if labels is not None else NO_ROWS_YET])


def monitoring_run_key(monitor: WatchedMonitor, news: str) -> str:
    return f"monitor:{monitor.label}:{news}"


def _request(monitor: WatchedMonitor, news: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=monitoring_run_key(monitor, news),
        asset_selection=list(monitor.monitoring),
        tags={run_tags.TRIGGER: run_tags.NEWS, run_tags.MONITOR: monitor.label, **run_tags.RETRIES},
    )
