"""The runs that a tick of the sensors requests, given the events of the instance."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mlp_assets.orchestration.facts import AlarmFacts, drained_version
from mlp_sensors.monitoring import monitoring_sensor
from mlp_sensors.retraining import retraining_sensor
from mlp_sensors.watched_monitors import watched_monitors
from tests.support import shop

MONITORS = watched_monitors([shop.make()])
(HEALTH,) = MONITORS
(PREDICTIONS, FEEDBACK), LABELS = HEALTH.drained, HEALTH.labels


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def report(instance: dg.DagsterInstance, key: dg.AssetKey, **metadata: Any) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def report_alarm(instance: dg.DagsterInstance, episode: str, *, open_: bool = True, message: str = "drift") -> None:
    report(instance, HEALTH.alarms, **AlarmFacts(open_, episode, message).to_metadata())


def drain(instance: dg.DagsterInstance, key: dg.AssetKey, version: int | None) -> None:
    """Reports a drain that left the table at this version."""
    tags = {"dagster/data_version": drained_version(version)}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def run_keys(result: Any) -> list[str]:
    return [] if isinstance(result, dg.SkipReason) else [request.run_key for request in result.run_requests]


def test_each_news_is_requested_once(instance: dg.DagsterInstance) -> None:
    sensor = monitoring_sensor("recompute", MONITORS, 30)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report(instance, LABELS)
    assert isinstance(tick(sensor, instance), dg.SkipReason)  # no predictions yet
    drain(instance, PREDICTIONS, 0)
    first = tick(sensor, instance)
    assert len(run_keys(first)) == 1
    assert set(first.run_requests[0].asset_selection) == set(HEALTH.monitoring)
    assert run_keys(tick(sensor, instance)) == run_keys(first)  # a tick that lost its cursor asks for the same run
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    report(instance, LABELS)
    second = tick(sensor, instance, first.cursor)
    assert len(run_keys(second)) == 1
    assert run_keys(second) != run_keys(first)
    drain(instance, FEEDBACK, 0)
    assert len(run_keys(tick(sensor, instance, second.cursor))) == 1


def test_a_drain_without_new_rows_is_no_news(instance: dg.DagsterInstance) -> None:
    sensor = monitoring_sensor("recompute", MONITORS, 30)
    drain(instance, PREDICTIONS, None)  # scheduled, before any request to the endpoint
    drain(instance, FEEDBACK, None)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    drain(instance, PREDICTIONS, 0)
    first = tick(sensor, instance)
    assert len(run_keys(first)) == 1
    drain(instance, PREDICTIONS, 0)
    drain(instance, FEEDBACK, None)
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    drain(instance, PREDICTIONS, 1)
    assert len(run_keys(tick(sensor, instance, first.cursor))) == 1


def test_news_during_a_recomputation_is_requested_after_it(instance: dg.DagsterInstance) -> None:
    sensor = monitoring_sensor("recompute", MONITORS, 30)
    drain(instance, PREDICTIONS, 0)
    first = tick(sensor, instance)
    run = instance.create_run_for_job(
        dg.define_asset_job("busy").resolve(asset_graph=dg.Definitions(assets=[_empty()]).resolve_asset_graph()),
        tags=first.run_requests[0].tags,
        status=dg.DagsterRunStatus.STARTED,
    )
    drain(instance, PREDICTIONS, 1)
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    instance.report_run_canceled(run)
    assert len(run_keys(tick(sensor, instance, first.cursor))) == 1


def test_one_retraining_for_each_version_and_episode(instance: dg.DagsterInstance) -> None:
    sensor = retraining_sensor("retrain", MONITORS, 30)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report_alarm(instance, "", open_=False)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report_alarm(instance, "shop.health:1:2024-04-29")
    first = tick(sensor, instance)
    assert run_keys(first) == ["retrain:shop.health:shop.health:1:2024-04-29"]
    assert set(first.run_requests[0].asset_selection) == set(HEALTH.retraining)
    assert first.run_requests[0].tags["dagster/max_retries"] == "2"
    assert first.run_requests[0].tags["dagster/retry_on_asset_or_op_failure"] == "false"
    report_alarm(instance, "shop.health:1:2024-04-29", message="still")
    assert run_keys(tick(sensor, instance)) == run_keys(first)
    report_alarm(instance, "shop.health:2:2024-05-06")
    assert run_keys(tick(sensor, instance)) == ["retrain:shop.health:shop.health:2:2024-05-06"]


def test_the_alarm_of_an_earlier_release_is_read(instance: dg.DagsterInstance) -> None:
    report(instance, HEALTH.alarms, episode_open=True, episode="shop.health:1:2024-04-29", told="drift")
    assert run_keys(tick(retraining_sensor("retrain", MONITORS, 30), instance)) == [
        "retrain:shop.health:shop.health:1:2024-04-29"
    ]
    facts = AlarmFacts.from_metadata({"episode_open": True, "episode": "shop.health:1:2024-04-29", "told": "drift"})
    assert facts == AlarmFacts(episode_open=True, episode="shop.health:1:2024-04-29", message="drift")


def test_a_cursor_with_removed_monitors_is_accepted(instance: dg.DagsterInstance) -> None:
    drain(instance, PREDICTIONS, 0)
    result = tick(monitoring_sensor("recompute", MONITORS, 30), instance, json.dumps({"shop.gone": "1"}))
    assert len(run_keys(result)) == 1


def _empty() -> dg.AssetsDefinition:
    @dg.asset
    def nothing() -> None: ...

    return nothing
