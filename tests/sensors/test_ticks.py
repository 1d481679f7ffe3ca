"""What a tick of the sensors asks for, given what the instance knows."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mlp_assets.orchestration.keys import drained_version
from mlp_sensors.monitoring import monitoring_sensor
from mlp_sensors.retraining import retraining_sensor
from mlp_sensors.watching import watched
from tests.support import shop

MONITORS = watched([shop.make()])
(HEALTH,) = MONITORS
(PREDICTIONS, FEEDBACK), LABELS = HEALTH.drained, HEALTH.labels


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def report(instance: dg.DagsterInstance, key: dg.AssetKey, **metadata: Any) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def drain(instance: dg.DagsterInstance, key: dg.AssetKey, version: int | None) -> None:
    """What the asset of a drained table reports when its table is at this version."""
    tags = {"dagster/data_version": drained_version(version)}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def keys(result: Any) -> list[str]:
    return [] if isinstance(result, dg.SkipReason) else [request.run_key for request in result.run_requests]


def test_news_is_taken_once_and_each_news_again(instance: dg.DagsterInstance) -> None:
    sensor = monitoring_sensor("recompute", MONITORS, 30)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report(instance, LABELS)
    assert isinstance(tick(sensor, instance), dg.SkipReason)  # nothing to watch before the first prediction
    drain(instance, PREDICTIONS, 0)
    first = tick(sensor, instance)
    assert len(keys(first)) == 1
    assert set(first.run_requests[0].asset_selection) == set(HEALTH.monitoring)
    assert keys(tick(sensor, instance)) == keys(first)  # a tick that lost its cursor asks for the same run
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    report(instance, LABELS)
    second = tick(sensor, instance, first.cursor)
    assert len(keys(second)) == 1
    assert keys(second) != keys(first)
    drain(instance, FEEDBACK, 0)
    assert len(keys(tick(sensor, instance, second.cursor))) == 1


def test_a_drain_without_rows_is_no_news(instance: dg.DagsterInstance) -> None:
    sensor = monitoring_sensor("recompute", MONITORS, 30)
    drain(instance, PREDICTIONS, None)  # every ten minutes, before there is any request
    drain(instance, FEEDBACK, None)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    drain(instance, PREDICTIONS, 0)
    first = tick(sensor, instance)
    assert len(keys(first)) == 1
    drain(instance, PREDICTIONS, 0)
    drain(instance, FEEDBACK, None)
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    drain(instance, PREDICTIONS, 1)
    assert len(keys(tick(sensor, instance, first.cursor))) == 1


def test_news_during_a_recomputation_waits_and_is_not_lost(instance: dg.DagsterInstance) -> None:
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
    assert len(keys(tick(sensor, instance, first.cursor))) == 1


def test_one_retraining_for_each_version_and_episode(instance: dg.DagsterInstance) -> None:
    sensor = retraining_sensor("retrain", MONITORS, 30)
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report(instance, HEALTH.alarms, episode_open=False, episode="", told="")
    assert isinstance(tick(sensor, instance), dg.SkipReason)
    report(instance, HEALTH.alarms, episode_open=True, episode="shop.health:1:2024-04-29", told="drift")
    first = tick(sensor, instance)
    assert keys(first) == ["retrain:shop.health:shop.health:1:2024-04-29"]
    assert set(first.run_requests[0].asset_selection) == set(HEALTH.retraining)
    assert first.run_requests[0].tags["dagster/max_retries"] == "2"
    assert first.run_requests[0].tags["dagster/retry_on_asset_or_op_failure"] == "false"
    report(instance, HEALTH.alarms, episode_open=True, episode="shop.health:1:2024-04-29", told="still")
    assert keys(tick(sensor, instance)) == keys(first)
    report(instance, HEALTH.alarms, episode_open=True, episode="shop.health:2:2024-05-06", told="again")
    assert keys(tick(sensor, instance)) == ["retrain:shop.health:shop.health:2:2024-05-06"]


def test_a_cursor_of_monitors_that_are_gone_does_no_harm(instance: dg.DagsterInstance) -> None:
    drain(instance, PREDICTIONS, 0)
    found = tick(monitoring_sensor("recompute", MONITORS, 30), instance, json.dumps({"shop.gone": "1"}))
    assert len(keys(found)) == 1


def _empty() -> dg.AssetsDefinition:
    @dg.asset
    def nothing() -> None: ...

    return nothing
