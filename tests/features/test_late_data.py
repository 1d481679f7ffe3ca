"""Late, corrected and backfilled rows: they recompute the partitions that they touch, and only add versions."""

from pathlib import Path
from typing import Any

import pytest

from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction
from tests.support.orders import (
    DAY,
    SPENDING,
    START,
    day,
    materialized_partitions,
    order_rows,
    orders_project,
    run_days,
)
from tests.support.platform import Platform


def row_versions(platform: Platform, user: int) -> list[tuple[Any, ...]]:
    """(day of the moment, days from then until the row was known, spend) of every row of a user."""
    rows = platform.environment.lake.scan(SPENDING).filter(user_id=user).sort("event_time", "known_at").collect()
    return [
        ((row["event_time"] - START) / DAY, (row["known_at"] - row["event_time"]) / DAY, row["spend_3d"])
        for row in rows.to_dicts()
    ]


@pytest.fixture
def delta(tmp_path: Path) -> str:
    location = str(tmp_path / "orders")
    order_rows(*((user, 1.0, number + 0.5, number + 0.5) for number in range(10) for user in (1, 2))).write_delta(
        location
    )
    return location


def test_a_late_row_recomputes_exactly_the_partitions_that_it_touches(delta: str, home: Path) -> None:
    platform = Platform(orders_project(delta=delta, known_at="arrived_at"), home)
    run_days(platform, "features", first=0, last=7)
    order_rows((1, 100.0, 3.25, 8.75)).write_delta(delta, mode="append")
    # The row is in the windows of partitions 3 to 5, and 6 has the closing row; the run was asked for 8.
    assert materialized_partitions(run_days(platform, "features", first=8)) == [day(3), day(4), day(5), day(6), day(8)]
    assert [row for row in row_versions(platform, 1) if row[2] is not None and row[2] > 3] == [
        (4.0, 4.75, 103.0),
        (5.0, 3.75, 103.0),
        (6.0, 2.75, 103.0),
    ]
    assert (4.0, 0.0, 3.0) in row_versions(platform, 1)
    assert all(row[1] == 0 for row in row_versions(platform, 2))
    assert materialized_partitions(run_days(platform, "features", first=8)) == [day(8)]
    again = Platform(platform.project, home.parent / "again")
    run_days(again, "features", first=0, last=8)
    tables = [each.environment.lake.scan(SPENDING).collect() for each in (platform, again)]
    assert canonical_digest(tables[0]) == canonical_digest(tables[1])


def test_rows_that_only_moved_to_other_files_touch_nothing(delta: str, home: Path) -> None:
    from deltalake import DeltaTable

    platform = Platform(orders_project(delta=delta, known_at="arrived_at"), home)
    run_days(platform, "features", first=0, last=7)
    order_rows((1, 5.0, 30.5, 30.5)).write_delta(delta, mode="append")
    DeltaTable(delta).optimize.compact()
    assert materialized_partitions(run_days(platform, "features", first=0)) == [day(0)]


def test_rows_that_the_lake_merged_touch_nothing(home: Path, tmp_path: Path) -> None:
    lake, orders = DeltaLake(tmp_path / "feed"), Table("feed", "source", "orders")
    for number in range(10):
        lake.append(orders, order_rows((1, 1.0, number + 0.5, number + 0.5)), Transaction(f"day:{number}", 1))
    platform = Platform(orders_project(delta=lake.location(orders), known_at="arrived_at"), home)
    run_days(platform, "features", first=0, last=7)
    assert lake.compact(orders, fewest=2).changed
    assert materialized_partitions(run_days(platform, "features", first=0)) == [day(0)]
    lake.append(orders, order_rows((1, 100.0, 6.25, 8.75)), Transaction("late", 1))
    assert materialized_partitions(run_days(platform, "features", first=0)) == [day(0), day(6), day(7)]


def test_days_in_any_order_with_late_rows_give_the_table_of_one_run(delta: str, home: Path, tmp_path: Path) -> None:
    late = order_rows((1, 7.0, 1.5, 4.5), (2, 9.0, 0.25, 0.75), (3, 1.0, 0.5, 5.5))
    late.write_delta(delta, mode="append")
    whole = Platform(orders_project(delta=delta, known_at="arrived_at"), home)
    run_days(whole, "features", first=0, last=5)
    for order in (range(6), range(5, -1, -1), (3, 5, 0, 1, 4, 2)):
        stepwise = Platform(whole.project, tmp_path / "".join(map(str, order)))
        for number in order:
            run_days(stepwise, "features", first=number)
        tables = [each.environment.lake.scan(SPENDING).collect() for each in (whole, stepwise)]
        assert canonical_digest(tables[0]) == canonical_digest(tables[1])
