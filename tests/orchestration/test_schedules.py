"""A job and a schedule for each cadence."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.test_utils import freeze_time  # Dagster's own clock decides which partitions exist
from dagster._utils.schedules import cron_string_iterator

import mlp_assets as mlp
from mlp_assets.nouns.cadence import Cadence, Moments
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.orchestration.schedules import crons_of, request_of
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support import shop

USER = mlp.Entity("user", keys=["user_id"])
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime}


def read_day(window: mlp.Window) -> pl.DataFrame:
    rows = shop.read_purchases(window)
    return rows.filter(pl.col("bought_at") < window.end)


def purchases(**changes: Any) -> mlp.Source:
    options = {"read": read_day, "every": "1d", "start": "2024-01-01"} | changes
    return mlp.Source("purchases", event_time="bought_at", columns=COLUMNS, **options)


def spending(name: str, source: mlp.Source, every: str) -> mlp.FeatureView:
    features = {f"{name}_28d": mlp.total("amount", over="28d")}
    return mlp.FeatureView(name, entity=USER, source=source, every=every, features=features, online=True)


def schedules(*assets: Any, home: Path) -> dict[str, tuple[str, dg.ScheduleDefinition]]:
    project = mlp.Project("shop", owner="team:shop", assets=assets)
    repository = definitions_for(project, environment=LocalEnvironment(home)).get_repository_def()
    return {schedule.job_name: (str(schedule.cron_schedule), schedule) for schedule in repository.schedule_defs}


def test_a_closed_history_has_a_job_and_no_schedule(home: Path) -> None:
    project = mlp.Project("shop", owner="team:shop", assets=[spending("spend", purchases(end="2024-02-01"), "1d")])
    definitions = definitions_for(project, environment=LocalEnvironment(home))
    assert definitions.resolve_job_def("shop__daily").partitions_def is not None
    assert not list(definitions.schedules or [])


def test_a_cadence_runs_an_hour_after_the_one_that_it_reads(home: Path) -> None:
    source = purchases()
    found = schedules(spending("daily_spend", source, "1d"), spending("weekly_spend", source, "1w"), home=home)
    assert {job: cron for job, (cron, _) in found.items()} == {"shop__daily": "0 0 * * *", "shop__weekly": "0 1 * * 1"}
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for _, schedule in found.values())


def test_an_external_table_has_an_hour_to_arrive(home: Path) -> None:
    found = schedules(spending("spend", purchases(read=None, delta="/lake/purchases"), "1d"), home=home)
    assert found["shop__daily"][0] == "0 1 * * *"


def test_two_starts_of_one_cadence_are_two_jobs(home: Path) -> None:
    views = [spending("old", purchases(), "1d")]
    other = mlp.Source(
        "returns", read=read_day, start="2024-03-01", event_time="bought_at", columns=COLUMNS, every="1d"
    )
    found = schedules(*views, spending("new", other, "1d"), home=home)
    assert set(found) == {"shop__daily_from_20240101", "shop__daily_from_20240301"}


def test_a_tick_computes_the_window_that_just_ended(home: Path) -> None:
    project = mlp.Project("shop", owner="team:shop", assets=[spending("spend", purchases(), "1d")])
    environment, instance = LocalEnvironment(home), dg.DagsterInstance.ephemeral()
    repository = definitions_for(project, environment=environment).get_repository_def()
    at = datetime(2024, 1, 15, 0, 0, 5, tzinfo=UTC)
    context = dg.build_schedule_context(instance, scheduled_execution_time=at, repository_def=repository)
    tick = repository.get_schedule_def("shop__daily_schedule").evaluate_tick(context)
    (request,) = tick.run_requests or []
    assert request.partition_key == "2024-01-14"
    done = repository.get_job("shop__daily").execute_in_process(instance=instance, partition_key=request.partition_key)
    assert done.success
    rows = environment.lake.scan(Table("shop", "features", "spend")).collect()
    assert rows["partition"].unique().to_list() == ["2024-01-14"]
    assert open_view(environment.online.location("shop", "spend")).features == ("spend_28d",)


MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def ticks(cadence: Cadence, days: int) -> list[datetime]:
    """When the cron schedules tick."""
    found: set[datetime] = set()
    for cron in crons_of(cadence):
        times = cron_string_iterator(MONDAY.timestamp(), cron, "UTC")
        found |= set(takewhile(lambda time: time < MONDAY + timedelta(days=days), times))
    return sorted(found)


@pytest.mark.parametrize("every", ["1m", "5m", "9m", "16m", "1h", "90m", "6h", "2d", "3d", "2w"])
@pytest.mark.parametrize("waits", [False, True])
def test_each_step_has_one_tick(every: str, waits: bool) -> None:
    source = purchases(every=every)
    cadence = Cadence(duration(every), MONDAY, None, [source], [purchases()] if waits else [])
    requests = [(time, request_of(cadence, time)) for time in ticks(cadence, 30)]
    runs = [(time, request) for time, request in requests if isinstance(request, dg.RunRequest)]
    moments = Moments(MONDAY, duration(every)).within(mlp.Window(MONDAY, MONDAY + timedelta(days=30)))
    expected = [at for at in moments if at + cadence.run_after < MONDAY + timedelta(days=30)]
    assert [time - cadence.run_after for time, _ in runs] == expected
    assert len({request.run_key for _, request in runs}) == len(runs)
    assert timedelta(0) <= cadence.run_after <= max(timedelta(minutes=1), duration(every) / 12)
    assert (cadence.run_after > timedelta(0)) == waits


def test_a_job_of_hours_waits_for_minutes(home: Path) -> None:
    found = schedules(spending("spend", purchases(read=None, delta="/lake/purchases"), "1h"), home=home)
    assert found["shop__hourly"][0] == "5 * * * *"


def test_an_hourly_tick_computes_what_has_passed_of_its_day(home: Path) -> None:
    project = mlp.Project("shop", owner="team:shop", assets=[spending("spend", purchases(every="1h"), "1h")])
    at = datetime(2024, 1, 15, 13, 0, 5, tzinfo=UTC)
    environment, instance = LocalEnvironment(home, now=lambda: at), dg.DagsterInstance.ephemeral()
    repository = definitions_for(project, environment=environment).get_repository_def()
    schedule = repository.get_schedule_def("shop__hourly_schedule")

    def request(time: datetime) -> dg.RunRequest:
        context = dg.build_schedule_context(instance, scheduled_execution_time=time, repository_def=repository)
        (run,) = schedule.evaluate_tick(context).run_requests or []
        return run

    assert request(datetime(2024, 1, 15, tzinfo=UTC)).partition_key == "2024-01-14"
    tick = request(at.replace(second=0)).partition_key
    with freeze_time(at):
        done = repository.get_job("shop__hourly").execute_in_process(instance=instance, partition_key=tick)
    assert done.success
    rows = environment.lake.scan(Table("shop", "features", "spend")).collect()
    assert rows["partition"].unique().to_list() == ["2024-01-15"]
    assert rows["event_time"].max() == at.replace(second=0)
    assert open_view(environment.online.location("shop", "spend")).features == ("spend_28d",)
