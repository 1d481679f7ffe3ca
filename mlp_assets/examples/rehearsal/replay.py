"""``mlp replay``: the later half of the year, week by week, for every household; what the stated figures come from."""

import json
import os
import platform
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl
from rich.console import Console
from rich.table import Table as Grid

from mlp_assets.examples.rehearsal.baseline_scores import hindsight
from mlp_assets.examples.rehearsal.retail_stream import (
    DEPLOYED,
    FIRST_WEEK,
    MODELS,
    WEEK,
    Replay,
    ReplayError,
    wait_for,
    weeks,
)
from mlp_assets.examples.rehearsal.stages import Stages
from mlp_assets.examples.rehearsal.summary import built
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
    """Replays the half-year. Raises MlpError when a stage did not really happen or a request failed."""
    with running_platform(console, share=share, fault=fault) as (stages, replay, _):
        with stages.stage("Ingesting half a year, computing features"):
            replay.ingest(FIRST_WEEK, DEPLOYED)
        for model, endpoint in MODELS:
            with stages.stage(f"Training, judging and deploying {model.name}"):
                replay.deploy(model, endpoint)
        with stages.stage(f"Replaying {WEEKS} weeks as HTTP requests", WEEKS) as advance:
            for week in weeks(DEPLOYED, WEEKS):
                _one_week(replay, week)
                advance()
        if replay.sent.failed:
            raise ReplayError(f"{replay.sent.failed} of {replay.sent.requests} requests failed.")
        with stages.stage("Judging the models on all replayed weeks"):
            told = _told(stages, replay, fault)
        stages.progress.stop()
        _show(console, stages, replay, told)
        (home() / "replay.json").write_text(json.dumps(told, indent=1))
        console.print(json.dumps(told), soft_wrap=True, markup=False, highlight=False)


def _one_week(replay: Replay, week: datetime) -> None:
    """Requests, their log, the week's rows and labels; then the sensors do what follows from them."""
    replay.ask(week)
    replay.drain()
    replay.ingest(week, week + WEEK)
    wait_for("end of what the sensors started", _SETTLE_SECONDS, lambda: _settled(replay.instance))


def _settled(instance: dg.DagsterInstance) -> bool:
    """Whether every monitor has seen the newest predictions and labels, and every open episode its retraining."""
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
    """Whether the run of this key is over. A retraining may end in a refusal; a monitor may not fail."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={"dagster/run_key": key}))
    over = [found for found in runs if found.is_finished]
    if over and not may_fail and over[0].status != dg.DagsterRunStatus.SUCCESS:
        raise ReplayError(f"Run {over[0].run_id} of {key} ended as {over[0].status.value}. The Dagster UI says why.")
    return bool(over)


def _told(stages: Stages, replay: Replay, fault: str) -> dict[str, Any]:
    windows = {monitor.monitor.name: _windows(replay, monitor.alarms) for monitor in _WATCHED}
    judged = sum(table.height for table in windows.values())
    raised = sum(int(table["alarm"].sum()) for table in windows.values())
    return {
        "replay": fault or "no fault",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "requests": replay.sent.requests,
        "rows": replay.sent.rows,
        "failed": replay.sent.failed,
        "total_s": stages.total_seconds,
        "peak_gb": stages.peak_gb,
        "windows": judged,
        "alarms": raised,
        "alarm_rate": round(raised / judged, 4),
        "episodes": {name: table["episode"].drop_nulls().unique().sort().to_list() for name, table in windows.items()},
        "versions": {endpoint: len(seen) for endpoint, seen in replay.sent.versions.items()},
        "models": {model.name: hindsight(replay.environment, model, endpoint) for model, endpoint in MODELS},
    }


def _windows(replay: Replay, key: dg.AssetKey) -> pl.DataFrame:
    return replay.environment.lake.scan(table_of(key)).collect()


def _show(console: Console, stages: Stages, replay: Replay, told: dict[str, Any]) -> None:
    console.print(built(stages, replay))
    rate = f"{told['alarms']} of {told['windows']} windows alarmed ({told['alarm_rate']:.1%})"
    console.print(f"{rate}; episodes: {told['episodes']}", markup=False)
    for name, figures in told["models"].items():
        grid = Grid(title=f"{name}: first version on {figures['rows']:,} replayed rows", show_edge=False)
        grid.add_column("")
        metrics = list(figures["metrics"]["candidate"])
        for metric in metrics:
            grid.add_column(metric, justify="right")
        for who, values in figures["metrics"].items():
            grid.add_row("the model" if who == "candidate" else who, *(f"{values[metric]:.4f}" for metric in metrics))
        console.print(grid)
        for sentence in figures["sentences"]:
            console.print(f"  {sentence}", markup=False)
