"""``mlp demo``: the whole loop, end to end, with a fault planted in the stream of real data."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
from rich.console import Console

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
from mlp_assets.examples.rehearsal.summary import print_summary
from mlp_assets.examples.rehearsal.temporary_platform import running_platform
from mlp_assets.examples.retail.project import project, repurchase, repurchase_health
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.facts import AlarmFacts
from mlp_assets.orchestration.refusals import refusals_of
from mlp_assets.orchestration.run_assets import facts
from mlp_resources.environments.home import home
from mlp_sensors import run_tags

FIRST_REPLAYED = datetime(2017, 7, 31, tzinfo=UTC)
REPLAYED = 10
FAULT = "GROCERY@2017-08-28"
SHARE = 0.25
_PATIENCE_SECONDS = 1800  # a slow machine takes its time, and a run that fails is told at once
ALARMS = keys.alarms(project.name, repurchase_health)


@dataclass
class Story:
    """The alarm, the versions before and after it, and an example request and response."""

    episode: str = ""
    alarm: str = ""
    before: str = ""
    after: str = ""
    example: tuple[dict[str, Any], dict[str, Any]] = ({}, {})


def run(console: Console) -> None:
    """Runs the loop. Raises MlpError when a stage did not happen."""
    story = Story()
    with running_platform(console, "mlp demo", share=SHARE, fault=FAULT) as (stages, stream, ports):
        _set_up(stages, stream)
        _run_weeks(stages, stream, story)
        stages.progress.stop()
        (home() / "demo.json").write_text(json.dumps(stages.figures(), indent=1))
        print_summary(console, story, stages, stream, ports)


def _set_up(stages: Stages, stream: RetailStream) -> None:
    with stages.stage("Ingesting half a year, computing features"):
        stream.ingest(FIRST_WEEK, DEPLOYED)
    with deploying() as deployments:
        for model, _ in MODELS:
            with stages.stage(f"Training, judging and deploying {model.name}"):
                deployments.wait_for_next()
    with stages.stage("Ingesting up to the first replayed week"):
        stream.ingest(DEPLOYED, FIRST_REPLAYED)


def _run_weeks(stages: Stages, stream: RetailStream, story: Story) -> None:
    story.before = stream.champion(repurchase).version
    with stages.stage(f"Replaying {REPLAYED} weeks as HTTP requests", REPLAYED) as advance:
        for week in weeks(FIRST_REPLAYED, REPLAYED):
            stream.send_week(week)
            stream.drain()
            stream.ingest(week, week + WEEK)
            advance()
    with stages.stage("Waiting for the sensors: alarm"):
        alarm = wait_for("alarm", _PATIENCE_SECONDS, lambda: _open_episode(stream.instance))
        story.episode, story.alarm = alarm.episode, alarm.message
    last = FIRST_REPLAYED + REPLAYED * WEEK
    with stages.stage("Retraining, while requests go on"):
        changed = partial(_version_changed, stream, story.before, last)
        wait_for("version after the alarm", _PATIENCE_SECONDS, changed, every=0.25)
        stream.send_week(last)
        story.after = stream.champion(repurchase).version
        stream.drain()
    if stream.traffic.failed:
        raise RehearsalError(f"{stream.traffic.failed} of {stream.traffic.requests} requests failed.")
    story.example = stream.example(last)


def _open_episode(instance: dg.DagsterInstance) -> AlarmFacts | None:
    alarm = AlarmFacts.from_metadata(facts(instance, ALARMS))
    return alarm if alarm is not None and alarm.episode_open else None


def _version_changed(stream: RetailStream, before: str, week: datetime) -> bool:
    """Sends a few requests. Raises RehearsalError where the retraining failed or was refused: nobody waits for it."""
    stream.trickle(week)
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
    for run in stream.instance.get_runs(filters=dg.RunsFilter(tags={run_tags.TRIGGER: run_tags.ALARM}, statuses=ended)):
        if refusals := refusals_of(run):
            raise RehearsalError(refusals[0])
        if run.status == dg.DagsterRunStatus.FAILURE and run.tags.get("dagster/will_retry") != "true":
            raise RehearsalError(f"The retraining failed: run {run.run_id} in the Dagster UI says why.")
    return stream.traffic.versions.get("repurchase_score", [before])[-1] != before
