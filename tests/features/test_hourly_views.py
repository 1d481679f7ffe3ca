"""Cadences shorter than a day: ticks through a day make what one run makes, and only late steps count as late."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets import testing
from mlp_assets.errors import LakeError
from mlp_assets.features.history.completeness import check_ingested
from mlp_assets.features.moments.held_moments import held_moments, incomplete_partitions
from mlp_assets.features.partition_writer import SOURCE_READ, ComputedPartitions, compute_partitions
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.source_writer import ingest_partitions
from mlp_assets.nouns.cadence import Moments
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import read_progress
from mlp_assets.tables.digest import canonical_digest
from mlp_assets.tables.standing_rows import written_out
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Transaction

HOUR, DAY, SOON = timedelta(hours=1), timedelta(days=1), timedelta(seconds=5)
# After today, because the true clock says when a table is created.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime("us", "UTC"),
    "arrived_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
TIMES: dict[str, Any] = {"event_time": "ordered_at", "known_at": "arrived_at", "start": f"{START:%Y-%m-%d}"}
DECLARED = {name: pl.Datetime if name.endswith("_at") else dtype for name, dtype in COLUMNS.items()}


class Till:
    """The orders that ``read`` delivers, the windows that it was asked for, and the platform's clock."""

    orders: pl.DataFrame
    asked: list[mlp.Window]
    other: tuple[Scope, mlp.Source]
    now: datetime


def read_orders(window: mlp.Window) -> pl.DataFrame:
    Till.asked.append(window)
    return Till.orders.filter(window.holds("arrived_at"))


def orders_of(*rows: tuple[int, float, float, float]) -> pl.DataFrame:
    """Orders of (user, amount, hour, hour of arrival)."""
    data = [
        (user, amount, START + hour * HOUR, START + max(hour, arrival) * HOUR) for user, amount, hour, arrival in rows
    ]
    return pl.DataFrame(data, schema=COLUMNS, orient="row")


def view_of(source: mlp.Source, every: str = "1h", over: str = "4h") -> mlp.FeatureView:
    features = {"spend": mlp.total("amount", over=over), "orders": mlp.count(over="1d")}
    return mlp.FeatureView("spending", mlp.Entity("user", keys=["user_id"]), source, features, every=every)


def scope_of(view: mlp.FeatureView, home: Path) -> Scope:
    return Scope(mlp.Project("shop", owner="team:shop", assets=[view]), LocalEnvironment(home, now=lambda: Till.now))


def days(view: mlp.FeatureView, *numbers: int) -> Windows:
    names = [f"{START + number * DAY:%Y-%m-%d}" for number in numbers]
    return [(name, Moments.of(view).named(name)) for name in names]


def compute(scope: Scope, view: mlp.FeatureView, *numbers: int) -> ComputedPartitions:
    names = {name for name, _ in days(view, *range(numbers[-1] + 1))}
    return compute_partitions(scope, view, days(view, *numbers), names & _written(scope, view))


def _written(scope: Scope, view: mlp.FeatureView) -> set[str]:
    return scope.environment.lake.partitions(lake_table(scope, view))


def stored(scope: Scope, view: mlp.FeatureView) -> pl.DataFrame:
    return scope.environment.lake.scan(lake_table(scope, view)).collect()


def table(scope: Scope, view: mlp.FeatureView) -> pl.DataFrame:
    """A row for each moment."""
    rows = written_out(stored(scope, view).lazy(), Moments.of(view).every)
    return rows.sort("event_time", *view.entity.keys, "known_at").collect()


order = st.tuples(
    st.integers(1, 3), st.integers(1, 99).map(lambda cents: cents / 7), st.integers(0, 170).map(lambda step: step / 8),
    st.sampled_from([0.0, 0.0, 1.0, 2.5, 9.0, 13.0, 20.0]),
)  # fmt: skip


@given(
    orders=st.lists(order, min_size=1, max_size=25),
    ticks=st.lists(st.integers(1, 23), min_size=2, max_size=5, unique=True).map(sorted),
)
@settings(max_examples=4, deadline=None)
def test_ticks_through_a_day_make_the_table_of_one_run(orders: Any, ticks: list[int]) -> None:
    with TemporaryDirectory() as folder:
        location = f"{folder}/orders"
        source = mlp.Source("orders", delta=location, columns=DECLARED, **TIMES)
        view, rows = view_of(source), orders_of(*((u, a, hour, hour + late) for u, a, hour, late in orders))
        by_ticks, at_once = (scope_of(view, Path(folder, name)) for name in ("ticks", "once"))
        rows.clear().write_delta(location)
        arrived = START - DAY
        for hour in ticks:
            Till.now = START + hour * HOUR + SOON
            rows.filter(pl.col("arrived_at").is_between(arrived, Till.now, closed="right")).write_delta(
                location, mode="append"
            )
            arrived = Till.now
            compute(by_ticks, view, 0)
        compute(at_once, view, 0)
        assert canonical_digest(stored(by_ticks, view)) == canonical_digest(stored(at_once, view))
        Till.now = START + DAY + SOON  # the day is over
        for scope in (by_ticks, at_once):
            compute(scope, view, 0)
        assert canonical_digest(stored(by_ticks, view)) == canonical_digest(stored(at_once, view))
        arrived_rows = rows.filter(pl.col("arrived_at") <= arrived)
        of_kit = testing.table(view, arrived_rows, until=START + DAY)
        assert canonical_digest(of_kit) == canonical_digest(table(by_ticks, view).drop("partition"))
        noted = read_progress(by_ticks.environment.lake, lake_table(by_ticks, view), _version(by_ticks, view))
        assert noted is not None
        assert noted.spans == ((START + HOUR, START + DAY),)


def _version(scope: Scope, view: mlp.FeatureView) -> int | None:
    return scope.environment.lake.version(lake_table(scope, view))


def test_a_tick_computes_new_moments_and_those_that_late_rows_touch(home: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "orders")
    view = view_of(mlp.Source("orders", delta=location, columns=DECLARED, **TIMES))
    scope, seen = scope_of(view, home), list[list[datetime]]()
    orders_of((1, 5.0, 0.5, 0.5)).write_delta(location)
    Till.now = START + 10 * HOUR + SOON
    compute(scope, view, 0)
    orders_of((1, 7.0, 8.5, 10.5)).write_delta(location, mode="append")
    Till.now += HOUR
    before = table(scope, view)
    computed = compute(scope, view, 0)
    after = table(scope, view)
    changed = after.join(before, on=after.columns, how="anti", nulls_equal=True)["event_time"].unique().sort().to_list()
    seen.append(changed)
    assert changed == [START + hour * HOUR for hour in (9, 10, 11)]
    assert computed.touched == ()
    known = after.filter(pl.col("event_time") == START + 9 * HOUR).sort("known_at")
    assert known["known_at"].to_list() == [START + 9 * HOUR, START + 10.5 * HOUR]


def test_a_changed_definition_computes_the_whole_of_today(home: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "orders")
    orders_of((1, 5.0, 0.5, 0.5), (1, 6.0, 5.5, 5.5)).write_delta(location)
    source = mlp.Source("orders", delta=location, columns=DECLARED, **TIMES)
    old, new = view_of(source), view_of(source, over="8h")
    Till.now = START + 9 * HOUR + SOON
    scope, fresh = scope_of(old, home), scope_of(new, tmp_path / "fresh")
    compute(scope, old, 0)
    compute(scope, new, 0)
    compute(fresh, new, 0)
    assert canonical_digest(table(scope, new)) == canonical_digest(table(fresh, new))


def ingest(scope: Scope, source: mlp.Source, number: int = 0) -> None:
    name = f"{START + number * DAY:%Y-%m-%d}"
    ingest_partitions(scope, source, [(name, Moments.of(source).named(name))], [], set())


def test_only_steps_that_were_ingested_before_or_are_overdue_count_as_late(home: Path) -> None:
    source = mlp.Source("orders", read=read_orders, columns=DECLARED, every="1h", **TIMES)
    view = view_of(source)
    scope, Till.asked = scope_of(view, home), []

    def tick(hour: float, *rows: tuple[int, float, float, float]) -> dict[float, tuple[Any, Any]]:
        Till.orders, Till.now = orders_of(*rows), START + hour * HOUR + SOON
        ingest(scope, source)
        stored = scope.environment.lake.scan(lake_table(scope, source)).collect()
        return {row["amount"]: (row["ingested_at"], row["withdrawn_at"]) for row in stored.to_dicts()}

    first, second, third = (1, 1.0, 7.5, 7.5), (1, 2.0, 9.5, 9.5), (1, 3.0, 6.0, 9.75)
    assert tick(10, first, second) == {1.0: (None, None), 2.0: (None, None)}
    at = START + 11 * HOUR + SOON
    on_time, corrected = (1, 4.0, 10.5, 10.5), (1, 5.0, 8.5, 8.5)
    assert tick(11, first, third, on_time, corrected) == {
        1.0: (None, None), 2.0: (None, at), 3.0: (at, None), 4.0: (None, None), 5.0: (at, None),
    }  # fmt: skip
    missed, last = (1, 6.0, 11.5, 11.5), (1, 7.0, 12.0, 12.5)
    stamps = tick(13, first, third, on_time, corrected, missed, last)  # the tick of 12 o'clock is missing
    assert (stamps[6.0], stamps[7.0]) == ((START + 13 * HOUR + SOON, None), (None, None))
    assert [(window.start, window.end) for window in Till.asked] == [
        (START, START + hour * HOUR) for hour in (10, 11, 13)
    ]
    held = held_moments(scope, source, set(), scope.environment.lake.version(lake_table(scope, source)))
    assert held.times.to_list() == [START + hour * HOUR for hour in range(1, 14)]


def read_while_another_run_ingests(window: mlp.Window) -> pl.DataFrame:
    Till.asked.append(window)
    if len(Till.asked) == 1:
        ingest(*Till.other)
    return Till.orders.filter(window.holds("arrived_at"))


def test_two_runs_at_once_ingest_a_step_once(home: Path) -> None:
    source = mlp.Source("orders", read=read_while_another_run_ingests, columns=DECLARED, every="1h", **TIMES)
    scope, Till.asked, Till.orders = scope_of(view_of(source), home), [], orders_of((1, 5.0, 0.5, 0.5))
    Till.now, Till.other = START + 2 * HOUR + SOON, (scope, source)
    ingest(scope, source)
    stored = scope.environment.lake.scan(lake_table(scope, source)).collect()
    assert stored.select("amount", "ingested_at", "withdrawn_at").rows() == [(5.0, None, None)]
    assert len(Till.asked) == 3  # the run that was overtaken reads again


def test_a_daily_view_waits_for_all_steps_of_the_day(home: Path) -> None:
    source = mlp.Source("orders", read=read_orders, columns=DECLARED, every="1h", **TIMES)
    view = view_of(source, every="1d")
    scope, Till.asked, Till.orders = scope_of(view, home), [], orders_of((1, 5.0, 0.5, 0.5))
    Till.now = START + 22 * HOUR + SOON
    ingest(scope, source)
    Till.now = START + DAY + HOUR
    with pytest.raises(LakeError, match=r"has not ingested .* 22:00 to 23:00 \(nor 1 later steps\)"):
        check_ingested(scope, [source], days(view, 0), lambda _: set())
    ingest(scope, source)
    check_ingested(scope, [source], days(view, 0), lambda _: set())


def test_moments_wait_for_their_step_of_the_source(home: Path) -> None:
    source = mlp.Source("orders", read=read_orders, columns=DECLARED, every="6h", **TIMES)
    view = view_of(source)
    scope, Till.asked, Till.orders = scope_of(view, home), [], orders_of((1, 5.0, 0.5, 0.5), (1, 6.0, 7.5, 7.5))
    Till.now = START + 9 * HOUR + SOON
    ingest(scope, source)
    compute(scope, view, 0)
    assert table(scope, view)["event_time"].max() == START + 6 * HOUR


def test_a_missing_run_after_midnight_is_made_up_for_by_the_next(home: Path) -> None:
    source = mlp.Source("orders", read=read_orders, columns=DECLARED, every="6h", **TIMES)
    view = view_of(source, every="3h")
    scope, Till.asked, Till.orders = scope_of(view, home), [], orders_of((1, 5.0, 7.5, 7.5), (1, 6.0, 20.5, 20.5))
    for hour, number in ((18, 0), (30, 1)):
        Till.now = START + hour * HOUR + SOON
        ingest(scope, source, number)
        computed = compute(scope, view, number)
    assert computed.touched == (f"{START:%Y-%m-%d}",)
    assert [window.end - START for window in Till.asked] == [18 * HOUR, 24 * HOUR, 30 * HOUR]
    moments = {START + hour * HOUR for hour in range(9, 31, 3)}
    assert moments == set(table(scope, view)["event_time"].to_list())
    assert incomplete_partitions(scope, view, {name for name, _ in days(view, 0, 1)}) == {f"{START + DAY:%Y-%m-%d}"}


def test_nothing_has_passed_in_the_first_minutes_of_a_day(home: Path) -> None:
    source = mlp.Source("orders", read=read_orders, columns=DECLARED, every="1h", **TIMES)
    view = view_of(source)
    scope, Till.asked, Till.orders = scope_of(view, home), [], orders_of((1, 5.0, 0.5, 0.5))
    Till.now = START + 2 * SOON
    ingest(scope, source)
    compute(scope, view, 0)
    assert (Till.asked, table(scope, view).height) == ([], 0)


def test_a_table_with_a_row_for_each_moment_is_computed_again(home: Path, tmp_path: Path) -> None:
    """Tables were written so before rows stood for several moments."""
    location = str(tmp_path / "orders")
    view = view_of(mlp.Source("orders", delta=location, columns=DECLARED, **TIMES))
    scope = scope_of(view, home)
    orders_of((1, 5.0, 0.5, 0.5), (2, 5.0, 30.5, 30.5)).write_delta(location)
    Till.now = START + DAY + 12 * HOUR
    compute(scope, view, 0, 1)
    expected, lake, name = stored(scope, view), scope.environment.lake, lake_table(scope, view)
    notes = lake.notes(name)
    dense = table(scope, view)
    Path(lake.location(name)).rename(tmp_path / "before")
    lake.write_partitions(name, dense, sorted(set(dense["partition"])), Transaction(SOURCE_READ, 1), notes)
    computed = compute(scope, view, 1)
    assert computed.touched == (f"{START:%Y-%m-%d}",)
    assert canonical_digest(stored(scope, view)) == canonical_digest(expected)
    assert compute(scope, view, 1).touched == ()
