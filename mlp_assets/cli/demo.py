"""``mlp demo``: the whole loop, end to end, with a fault planted in the stream of real data."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlp_assets.cli.replay import FIRST_WEEK, MODELS, WEEK, Replay, ReplayError, wait_for, weeks
from mlp_assets.cli.services import Ports, services
from mlp_assets.cli.summary import print_summary
from mlp_assets.cli.supervise import Supervisor, single_instance
from mlp_assets.projects.retail.project import project, repurchase
from mlp_assets.spec.errors import MlpError
from mlp_resources.environments import local
from mlp_resources.home import environment_variables, home, prepare_home

DEPLOYED = datetime(2017, 7, 3, tzinfo=UTC)
FIRST_REPLAYED = datetime(2017, 7, 31, tzinfo=UTC)
REPLAYED = 10
FAULT = "GROCERY@2017-08-28"
SHARE = 0.25
ALARMS = dg.AssetKey([project.name, "alarms", "repurchase_health"])
_MARK = "made-by-demo"


@dataclass
class Story:
    """What happened, for the summary."""

    stages: dict[str, float] = field(default_factory=dict[str, float])
    episode: str = ""
    alarm: str = ""
    before: str = ""
    after: str = ""
    example: tuple[dict[str, Any], dict[str, Any]] = ({}, {})


class Stages:
    """Runs stages one after the other and shows them: a name, a bar, a time."""

    def __init__(self, progress: Progress, story: Story) -> None:
        self._progress = progress
        self._story = story

    @contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[Any]:
        task = self._progress.add_task(name, total=steps)
        started = time.perf_counter()
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=steps)
        self._story.stages[name] = round(time.perf_counter() - started, 1)


def run(console: Console) -> None:
    """Runs the loop. Raises MlpError when a stage did not really happen."""
    _fresh_home()
    os.environ.update(environment_variables() | {"MLP_RETAIL_FAULT": FAULT, "MLP_SENSOR_SECONDS": "3"})
    ports, story, supervisor = Ports.from_environment(), Story(), Supervisor()
    columns = (SpinnerColumn(), TextColumn("{task.description:<48}"), BarColumn(), TimeElapsedColumn())
    with single_instance(ports), Progress(*columns, console=console) as progress:
        stages = Stages(progress, story)
        try:
            with stages.stage("Starting Ray, MLflow and Dagster"):
                supervisor.start(services(ports, Path("workspace.yaml")))
            instance = dg.DagsterInstance.get()
            replay = Replay(local(), instance, SHARE)
            _build(stages, replay)
            _live(stages, replay, story, instance)
            progress.stop()
            print_summary(console, story, replay, ports)
        finally:
            supervisor.stop()


def _fresh_home() -> None:
    folder = home()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise MlpError(
                f"{folder} holds the state of a platform that the demo did not make. Choose another directory: "
                "MLP_HOME=/tmp/mlp-demo make demo"
            )
        shutil.rmtree(folder)
    prepare_home()
    (folder / _MARK).touch()


def _build(stages: Stages, replay: Replay) -> None:
    with stages.stage("Ingesting half a year, computing features"):
        replay.ingest(FIRST_WEEK, DEPLOYED)
    for model, endpoint in MODELS:
        with stages.stage(f"Training, judging and deploying {model.name}"):
            replay.deploy(model, endpoint)
    with stages.stage("Going on to the first replayed week"):
        replay.ingest(DEPLOYED, FIRST_REPLAYED)


def _live(stages: Stages, replay: Replay, story: Story, instance: dg.DagsterInstance) -> None:
    story.before = replay.champion(repurchase).version
    with stages.stage(f"Replaying {REPLAYED} weeks as HTTP requests", REPLAYED) as advance:
        for week in weeks(FIRST_REPLAYED, REPLAYED):
            replay.ask(week)
            replay.drain()
            replay.ingest(week, week + WEEK)
            advance()
    with stages.stage("Waiting for the sensors: alarm"):
        facts = wait_for("alarm", 120, lambda: _open_episode(instance))
        story.episode, story.alarm = str(facts["episode"]), str(facts["told"])
    last = FIRST_REPLAYED + REPLAYED * WEEK
    with stages.stage("Retraining, while requests go on"):
        wait_for("version after the alarm", 240, lambda: _moved(replay, story.before, last))
        story.after = replay.champion(repurchase).version
        replay.drain()
    if replay.sent.failed:
        raise ReplayError(f"{replay.sent.failed} of {replay.sent.requests} requests failed.")
    story.example = replay.example(last)


def _open_episode(instance: dg.DagsterInstance) -> dict[str, Any] | None:
    event = instance.get_latest_materialization_event(ALARMS)
    found = event.asset_materialization if event is not None else None
    facts = {key: value.value for key, value in found.metadata.items()} if found is not None else {}
    return facts if facts.get("episode_open") else None


def _moved(replay: Replay, before: str, week: datetime) -> bool:
    replay.ask(week)
    return replay.sent.versions.get("repurchase_score", [before])[-1] != before
