"""Backfills of a project: real runs, Delta tables and publications."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import mlp_assets as mlp
from mlp_assets.backfill.running import PROCESS
from mlp_assets.orchestration import keys
from mlp_assets.platform import Days, Summary, backfill_project, definitions_for
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support import daily_orders, failing_orders
from tests.support.daily_orders import START, day
from tests.support.failing_orders import Trouble
from tests.support.silent_progress import Silent

NOW = START + timedelta(days=10, hours=15)
DAYS = [day(number) for number in range(10)]
WEEKS = [day(0)]
WHOLE = Days()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    Trouble.fails_at = Trouble.interrupts_at = None
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def backfill(
    project: mlp.Project,
    home: Path,
    instance: dg.DagsterInstance,
    days: Days = WHOLE,
    *,
    now: datetime = NOW,
    progress: Silent | None = None,
) -> Summary:
    environment = LocalEnvironment(home, now=lambda: now)
    return backfill_project(project, days, instance=instance, progress=progress or Silent(), environment=environment)


def names(summary: Summary) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Asset -> what it lacked, what was stale, what was up to date."""
    return {each.key.path[-1]: (each.missing, each.stale, each.current) for each in summary.work}


def digest(home: Path, kind: str, name: str) -> str:
    return canonical_digest(LocalEnvironment(home).lake.scan(Table("shop", kind, name)).collect())


def test_a_new_project_is_computed_in_three_runs_and_then_is_up_to_date(
    home: Path, instance: dg.DagsterInstance
) -> None:
    progress = Silent()
    summary = backfill(daily_orders.make(), home, instance, progress=progress)
    assert summary.succeeded
    assert [len(planned.assets) for planned, _ in summary.runs] == [4, 1, 1]  # the days, the week, the publication
    assert {each.key.path[-1]: summary.computed(each.key) for each in summary.work} == {
        "orders": 10, "recent": 10, "tier": 10, "weekly": 1, "habit": 10,
    }  # fmt: skip
    assert progress.steps == 42
    for planned, run in summary.runs:
        recorded = instance.get_run_by_id(run.id)
        assert recorded is not None
        assert recorded.status == dg.DagsterRunStatus.SUCCESS
        assert planned.tags.items() <= recorded.tags.items()
    assert open_view(LocalEnvironment(home).online.location("shop", "recent")).features == ("spend_3d",)
    again = backfill(daily_orders.make(), home, instance)
    assert again.runs == []
    assert names(again) == {
        "orders": ((), (), tuple(DAYS)), "recent": ((), (), tuple(DAYS)), "tier": ((), (), tuple(DAYS)),
        "weekly": ((), (), tuple(WEEKS)), "habit": ((), (), tuple(DAYS)),
    }  # fmt: skip


def test_a_range_computes_its_partitions_and_the_rest_follows_later(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    summary = backfill(daily_orders.make(), home, instance, Days(day(4), day(5)))
    orders, weekly = keys.source("shop", daily_orders.make().sources[0]), dg.AssetKey(["shop", "features", "weekly"])
    assert instance.get_materialized_partitions(orders) == {day(4), day(5)}
    assert names(summary)["weekly"] == ((), (), ())
    rest = backfill(daily_orders.make(), home, instance)
    assert names(rest)["habit"] == ((*DAYS[:4], *DAYS[6:]), (), (day(4), day(5)))
    assert [rest.computed(each.key) + rest.skipped_of(each) for each in rest.work] == [len(w.grid) for w in rest.work]
    assert instance.get_materialized_partitions(weekly) == {day(0)}
    with dg.DagsterInstance.ephemeral() as other:
        backfill(daily_orders.make(), tmp_path / "whole", other)
    for view in daily_orders.VIEWS:
        assert digest(home, "features", view) == digest(tmp_path / "whole", "features", view)


def test_a_changed_definition_is_computed_again_with_what_reads_it(home: Path, instance: dg.DagsterInstance) -> None:
    project = daily_orders.make()
    backfill(project, home, instance, Days(last=day(3)))
    habit = next(view for view in project.feature_views if view.name == "habit")
    assert isinstance(habit.source, mlp.FeatureView)
    recent = replace(habit.source, features={"spend_3d": mlp.total("amount", over="2d")})
    changed = mlp.Project("shop", owner="team:shop", assets=[replace(habit, source=recent)])
    summary = backfill(changed, home, instance, Days(last=day(3)))
    assert names(summary) == {
        "orders": ((), (), tuple(DAYS[:4])), "recent": ((), tuple(DAYS[:4]), ()), "habit": ((), tuple(DAYS[:4]), ()),
    }  # fmt: skip
    assert summary.published == [keys.online("shop", recent)]


def test_rows_that_were_ingested_again_are_computed_again(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    backfill(project, home, instance, Days(last=day(3)))
    definitions = definitions_for(project, environment=LocalEnvironment(home, now=lambda: NOW))
    ingested = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["shop", "source", "orders"])],
        tags={"dagster/partition": day(2)},
    )
    assert ingested.success
    summary = backfill(project, home, instance, Days(last=day(3)))
    assert names(summary) == {
        "orders": ((), (), tuple(DAYS[:4])), "returns": ((), (), tuple(DAYS[:4])),
        "recent": ((), (day(2),), (day(0), day(1), day(3))), "given_back": ((), (), tuple(DAYS[:4])),
    }  # fmt: skip


def test_again_computes_what_is_up_to_date(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    backfill(project, home, instance, Days(last=day(1)))
    before = digest(home, "features", "recent")
    summary = backfill(project, home, instance, Days(last=day(1), again=True))
    assert all(each.stale == (day(0), day(1)) for each in summary.work)
    assert digest(home, "features", "recent") == before


def test_a_table_that_was_removed_is_computed_again(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    backfill(project, home, instance, Days(last=day(1)))
    (home / "lake/shop/features/recent").rename(home / "elsewhere")
    assert names(backfill(project, home, instance, Days(last=day(1))))["recent"] == ((day(0), day(1)), (), ())


def test_a_failure_is_named_and_the_next_backfill_goes_on(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    Trouble.fails_at = START + timedelta(days=2)
    summary = backfill(project, home, instance, Days(last=day(3)))
    assert not summary.succeeded
    orders, recent = dg.AssetKey(["shop", "source", "orders"]), dg.AssetKey(["shop", "features", "recent"])
    online = dg.AssetKey(["shop", "online", "recent_online"])
    assert "the till is closed" in summary.failed[orders]
    assert summary.failed[recent] == "not run, because shop/source/orders failed"
    assert summary.failed[online] == "not run, because shop/features/recent failed"
    assert summary.computed(dg.AssetKey(["shop", "features", "given_back"])) == 4
    Trouble.fails_at = None
    rest = backfill(project, home, instance, Days(last=day(3)))
    assert rest.succeeded
    assert names(rest)["given_back"] == ((), (), tuple(DAYS[:4]))
    assert rest.published == [online]


def test_an_interrupt_ends_the_backfill_and_the_next_one_goes_on(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    backfill(project, home, instance, Days(last=day(1)))
    Trouble.interrupts_at = START + timedelta(days=3)
    summary = backfill(project, home, instance, Days(last=day(3)))
    assert summary.interrupted
    assert not summary.succeeded
    assert len(summary.runs) == 1
    assert instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])) == []
    Trouble.interrupts_at = None
    rest = backfill(project, home, instance, Days(last=day(3)))
    assert rest.succeeded
    assert names(rest)["recent"] == ((day(2), day(3)), (), (day(0), day(1)))


def begun(instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey], tags: dict[str, str]) -> dg.DagsterRun:
    """A run of the assets that has begun."""
    job = dg.Definitions(assets=[dg.asset(key=key)(_nothing) for key in assets]).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, tags=tags, asset_selection=frozenset(assets))
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(started, run.run_id)
    return run


def _nothing() -> None: ...


def test_a_run_of_the_same_assets_is_waited_for(home: Path, instance: dg.DagsterInstance) -> None:
    project = failing_orders.make()
    other = begun(instance, [dg.AssetKey(["shop", "features", "recent"])], {})
    begun(instance, [dg.AssetKey(["shop", "features", "of_another"])], {})

    class Ending(Silent):
        def wait(self, run: dg.DagsterRun) -> None:
            super().wait(run)
            assert instance.get_materialized_partitions(dg.AssetKey(["shop", "source", "orders"])) == set()
            instance.report_run_canceled(run)

    progress = Ending()
    assert backfill(project, home, instance, Days(last=day(0)), progress=progress).succeeded
    assert progress.waited_for == [other.run_id]


GONE = [
    {PROCESS: "999999999 1"},
    {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": "/nowhere/socket"})},
]


@pytest.mark.parametrize("tags", GONE, ids=["backfill", "platform"])
def test_a_run_whose_process_is_gone_is_not_waited_for(
    home: Path, instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    killed = begun(instance, [dg.AssetKey(["shop", "features", "recent"])], tags)
    progress = Silent()
    assert backfill(failing_orders.make(), home, instance, Days(last=day(0)), progress=progress).succeeded
    assert progress.waited_for == []
    recorded = instance.get_run_by_id(killed.run_id)
    assert recorded is not None
    assert recorded.status == dg.DagsterRunStatus.FAILURE
