"""In a real daemon, one alarm episode starts one retraining, however often the sensors tick."""

import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from mlp_assets.local_platform.services import services
from mlp_assets.local_platform.supervisor import Supervisor
from mlp_assets.orchestration.facts import AlarmFacts
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import process_variables
from mlp_sensors import run_tags
from mlp_sensors.watched_monitors import watched_monitors
from tests.support import shop
from tests.support.ports import platform_ports

CODE = """
import dagster as dg
from mlp_assets.platform import definitions_for
from tests.support import shop

@dg.definitions
def definitions():
    return definitions_for(shop.make(), sensor_interval_seconds=1)
"""
TICKS = 3


def test_one_episode_is_one_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code.py"
    code.write_text(CODE)
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - python_file: {code}\n")
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path) + f":{Path.cwd()}")
    dagster = [service for service in services(platform_ports(), workspace) if service.name == "dagster"]
    supervisor = Supervisor()
    supervisor.start(dagster)
    try:
        for name, value in process_variables(load_settings()).items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            _alarm(instance, "shop.health:1:2024-04-29")
            _wait_for_ticks(instance, TICKS)
            runs = instance.get_runs(filters=dg.RunsFilter(tags={run_tags.TRIGGER: run_tags.ALARM}))
            assert [run.tags[run_tags.EPISODE] for run in runs] == ["shop.health:1:2024-04-29"]
            _alarm(instance, "shop.health:2:2024-05-06")
            _wait_for_ticks(instance, TICKS)
            runs = instance.get_runs(filters=dg.RunsFilter(tags={run_tags.TRIGGER: run_tags.ALARM}))
            assert sorted(run.tags[run_tags.EPISODE] for run in runs) == [
                "shop.health:1:2024-04-29",
                "shop.health:2:2024-05-06",
            ]
    finally:
        supervisor.stop()


def _alarm(instance: dg.DagsterInstance, episode: str) -> None:
    (health,) = watched_monitors([shop.make()])
    facts = AlarmFacts(episode_open=True, episode=episode, message="drift")
    event = dg.AssetMaterialization(health.alarms, metadata=facts.to_metadata())
    instance.report_runless_asset_event(event)


def _wait_for_ticks(instance: dg.DagsterInstance, count: int) -> None:
    """Waits until the daemon has recorded ``count`` ticks of the retraining sensor since now."""
    began, deadline = time.time(), time.monotonic() + 120
    while time.monotonic() < deadline:
        states = [state for state in instance.all_instigator_state() if state.instigator_name == "retrain_on_alarm"]
        ticks = [
            tick
            for state in states
            for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, after=began)
        ]
        if len([tick for tick in ticks if tick.is_completed]) >= count:
            return
        time.sleep(0.5)
    raise AssertionError("The daemon did not tick.")
