"""Runs of a backfill: every partition once, inputs first, in as few runs as the order allows."""

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from mlp_assets.backfill.planned_runs import plan_runs, ranges, upstream
from mlp_assets.backfill.work import AssetWork
from tests.support import daily_orders

GRIDS = (tuple(f"d{number:02}" for number in range(12)), ("w1", "w2", "w3"))
(SPEC,) = daily_orders.make().sources


def work_of(name: str, grid: tuple[str, ...], inputs: list[AssetWork], missing: set[str]) -> AssetWork:
    names = tuple(sorted(missing))
    keys = tuple(each.key for each in inputs)
    return AssetWork(dg.AssetKey(name), SPEC, grid, keys, missing=names, stale=(), current=())


@st.composite
def works(draw: st.DrawFn) -> list[AssetWork]:
    made: list[AssetWork] = []
    for number in range(draw(st.integers(1, 6))):
        grid = draw(st.sampled_from(GRIDS))
        inputs = draw(st.lists(st.sampled_from(made), unique_by=id, max_size=2)) if made else []
        made.append(work_of(f"a{number}", grid, inputs, draw(st.sets(st.sampled_from(grid)))))
    return made


@given(works())
def test_each_partition_is_computed_once_and_after_its_inputs(work: list[AssetWork]) -> None:
    runs = plan_runs(work)
    done = [(asset, name) for run in runs for asset in run.assets for name in run.partitions]
    assert sorted(done) == sorted((each.key, name) for each in work for name in each.todo)
    place = {(asset, name): n for n, run in enumerate(runs) for asset in run.assets for name in run.partitions}
    grids = {each.key: each.grid for each in work}
    for each in work:
        for other in upstream(each.key, work):
            for name in each.todo:
                read = [n for (key, n) in place if key == other and (n <= name or grids[other] != each.grid)]
                assert all(place[other, n] <= place[each.key, name] for n in read)
    order = [each.key for each in work]
    assert all(run.assets == sorted(run.assets, key=order.index) for run in runs)


def test_a_new_project_of_one_cadence_is_one_run() -> None:
    orders = work_of("orders", GRIDS[0], [], set(GRIDS[0]))
    recent = work_of("recent", GRIDS[0], [orders], set(GRIDS[0]))
    habit = work_of("habit", GRIDS[0], [recent], set(GRIDS[0]))
    (run,) = plan_runs([orders, recent, habit])
    assert run.assets == [orders.key, recent.key, habit.key]
    assert run.tags == {"dagster/asset_partition_range_start": "d00", "dagster/asset_partition_range_end": "d11"}


def test_a_daily_view_of_a_weekly_view_is_computed_after_the_weeks() -> None:
    orders = work_of("orders", GRIDS[0], [], set(GRIDS[0]))
    weekly = work_of("weekly", GRIDS[1], [orders], set(GRIDS[1]))
    daily = work_of("daily", GRIDS[0], [weekly], set(GRIDS[0]))
    assert [run.assets for run in plan_runs([orders, weekly, daily])] == [[orders.key], [weekly.key], [daily.key]]


def test_ranges_end_where_a_partition_is_up_to_date() -> None:
    assert ranges("abcdefg", {"a", "b", "d", "g"}) == [("a", "b"), ("d",), ("g",)]


def test_assets_that_lack_the_same_two_ranges_are_two_runs() -> None:
    lacking = {"d01", "d02", "d07"}
    orders = work_of("orders", GRIDS[0], [], lacking)
    recent = work_of("recent", GRIDS[0], [orders], lacking)
    assert [run.partitions for run in plan_runs([orders, recent])] == [("d01", "d02"), ("d07",)]
