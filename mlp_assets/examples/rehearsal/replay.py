"""``mlp replay``: the second half of the year, week by week, for every household. Source of the documented figures."""

import json
import os
import platform
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl
from rich.console import Console
from rich.table import Table as Grid

from mlp_assets.examples.rehearsal.baseline_scores import score_first_version
from mlp_assets.examples.rehearsal.deployments import deploying
from mlp_assets.examples.rehearsal.retail_stream import (
    DEPLOYED,
    FIRST_WEEK,
    MODELS,
    WEEK,
    RehearsalError,
    RetailStream,
    wait_for,
    weeks,
)
from mlp_assets.examples.rehearsal.stages import Stages
from mlp_assets.examples.rehearsal.summary import stages_table
from mlp_assets.examples.rehearsal.temporary_platform import running_platform
from mlp_assets.examples.retail.project import project
from mlp_assets.orchestration.facts import AlarmFacts, metadata_of
from mlp_assets.orchestration.keys import table as table_of
from mlp_resources.environments.home import home
from mlp_sensors.monitoring import monitoring_run_key, news_of
from mlp_sensors.retraining import retraining_run_key
from mlp_sensors.watched_monitors import newest_events, watched_monitors

WEEKS = 26
_WATCHED = watched_monitors([project])
_SETTLE_SECONDS = 600


def run(console: Console, *, share: float, fault: str) -> None:
    """Replays the half-year. Raises MlpError when a stage did not happen or a request failed."""
    with running_platform(console, "mlp replay", share=share, fault=fault) as (stages, stream, _):
        with stages.stage("Ingesting half a year, computing features"):
            stream.ingest(FIRST_WEEK, DEPLOYED)
        with deploying() as deployments:
            for model, _ in MODELS:
                with stages.stage(f"Training, judging and deploying {model.name}"):
                    deployments.wait_for_next()
        with stages.stage(f"Replaying {WEEKS} weeks as HTTP requests", WEEKS) as advance:
            for week in weeks(DEPLOYED, WEEKS):
                _run_week(stream, week)
                advance()
        if stream.traffic.failed:
            raise RehearsalError(f"{stream.traffic.failed} of {stream.traffic.requests} requests failed.")
        with stages.stage("Judging the models on all replayed weeks"):
            figures = _figures(stages, stream, fault)
        stages.progress.stop()
        _show(console, stages, stream, figures)
        (home() / "replay.json").write_text(json.dumps(figures, indent=1))
        console.print(json.dumps(figures), soft_wrap=True, markup=False, highlight=False)


def _run_week(stream: RetailStream, week: datetime) -> None:
    """Sends the week's requests, drains them, ingests its data, and waits for the runs that the sensors start."""
    stream.send_week(week)
    stream.drain()
    stream.ingest(week, week + WEEK)
    wait_for("end of what the sensors started", _SETTLE_SECONDS, lambda: _settled(stream.instance))


def _settled(instance: dg.DagsterInstance) -> bool:
    """Whether every monitor has seen the newest predictions and labels, and every open episode was retrained for."""
    events = newest_events(instance, [key for monitor in _WATCHED for key in (*monitor.follows, monitor.alarms)])
    for monitor in _WATCHED:
        news = news_of(monitor, events)
        if news is None or not _finished(instance, monitoring_run_key(monitor, news), may_fail=False):
            return False
        facts = AlarmFacts.from_metadata(metadata_of(events.get(monitor.alarms)))
        if facts is None:
            return False
        retraining = retraining_run_key(monitor, facts.episode)
        if monitor.monitor.retrain and facts.episode_open and not _finished(instance, retraining, may_fail=True):
            return False
    return True


def _finished(instance: dg.DagsterInstance, key: str, *, may_fail: bool) -> bool:
    """Whether the run of this key is over. A retraining may fail; a monitor may not."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={"dagster/run_key": key}))
    finished = [run for run in runs if run.is_finished]
    if finished and not may_fail and finished[0].status != dg.DagsterRunStatus.SUCCESS:
        raise RehearsalError(
            f"Run {finished[0].run_id} of {key} ended as {finished[0].status.value}. The Dagster UI says why."
        )
    return bool(finished)


def _figures(stages: Stages, stream: RetailStream, fault: str) -> dict[str, Any]:
    windows = {monitor.monitor.name: _windows(stream, monitor.alarms) for monitor in _WATCHED}
    judged = sum(table.height for table in windows.values())
    raised = sum(int(table["alarm"].sum()) for table in windows.values())
    return {
        "replay": fault or "no fault",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "requests": stream.traffic.requests,
        "rows": stream.traffic.rows,
        "failed": stream.traffic.failed,
        "total_s": stages.total_seconds,
        "peak_gb": stages.peak_gb,
        "windows": judged,
        "alarms": raised,
        "alarm_rate": round(raised / judged, 4),
        "episodes": {name: table["episode"].drop_nulls().unique().sort().to_list() for name, table in windows.items()},
        "versions": {endpoint: len(seen) for endpoint, seen in stream.traffic.versions.items()},
        "models": {model.name: score_first_version(stream.environment, model, endpoint) for model, endpoint in MODELS},
    }


def _windows(stream: RetailStream, key: dg.AssetKey) -> pl.DataFrame:
    return stream.environment.lake.scan(table_of(key)).collect()


def _show(console: Console, stages: Stages, stream: RetailStream, figures: dict[str, Any]) -> None:
    console.print(stages_table(stages, stream))
    rate = f"{figures['alarms']} of {figures['windows']} windows alarmed ({figures['alarm_rate']:.1%})"
    console.print(f"{rate}; episodes: {figures['episodes']}", markup=False)
    for name, scores in figures["models"].items():
        grid = Grid(title=f"{name}: first version on {scores['rows']:,} replayed rows", show_edge=False)
        grid.add_column("")
        metrics = list(scores["metrics"]["candidate"])
        for metric in metrics:
            grid.add_column(metric, justify="right")
        for who, values in scores["metrics"].items():
            grid.add_row("the model" if who == "candidate" else who, *(f"{values[metric]:.4f}" for metric in metrics))
        console.print(grid)
        for sentence in scores["sentences"]:
            console.print(f"  {sentence}", markup=False)
