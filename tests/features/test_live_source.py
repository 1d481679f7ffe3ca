"""A live source: the time of ingestion bounds when its rows were known."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster._core.test_utils import freeze_time  # Dagster's own clock decides which partitions exist

import mlp_assets as mlp
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # tables are created by this clock
FIRST = TODAY - 4 * DAY


class Till:
    """The amounts that ``read`` delivers for each day, counted from FIRST, and the platform's clock."""

    delivers: dict[int, list[float]]
    now: datetime


def read_orders(window: mlp.Window) -> pl.DataFrame:
    amounts = Till.delivers.get((window.start - FIRST) // DAY, [])
    data = {"user_id": [1] * len(amounts), "amount": amounts, "ordered_at": [window.start + DAY / 2] * len(amounts)}
    return pl.DataFrame(
        data, schema={"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime("us", "UTC")}
    )


@pytest.fixture
def platform(home: Path) -> Iterator[Platform]:
    """Four days of history, one order a day, are ingested; then each test moves the clock."""
    columns: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime}
    orders = mlp.Source("orders", read=read_orders, columns=columns, event_time="ordered_at", start=f"{FIRST:%Y-%m-%d}")
    spending = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=orders,
        features={"spend_2d": mlp.total("amount", over="2d")},
    )
    Till.delivers, Till.now = {number: [1.0] for number in range(4)}, datetime.now(UTC)
    platform = Platform(mlp.Project("shop", owner="team:shop", assets=[spending]), home, now=lambda: Till.now)
    ingest(platform, *range(4))
    return platform


def ingest(platform: Platform, *days: int) -> None:
    with freeze_time(Till.now):
        for number in days:
            platform.run("source", "features", tags={"dagster/partition": f"{FIRST + number * DAY:%Y-%m-%d}"})


def stamps(platform: Platform) -> list[tuple[Any, ...]]:
    rows = platform.environment.lake.scan(Table("shop", "source", "orders")).sort("ordered_at", "amount").collect()
    return [
        ((row["ordered_at"] - FIRST) // DAY, row["amount"], row["ingested_at"], row["withdrawn_at"])
        for row in rows.to_dicts()
    ]


def versions(platform: Platform, number: int) -> list[tuple[datetime, float | None]]:
    """(known at, spend) of the row of the moment at which a day ends."""
    rows = platform.environment.lake.scan(Table("shop", "features", "spending")).sort("known_at").collect()
    end = FIRST + (number + 1) * DAY
    return rows.filter(pl.col("event_time") == end).select("known_at", "spend_2d").rows()


def test_history_and_partitions_on_schedule_are_known_as_the_source_says(platform: Platform) -> None:
    Till.delivers[4], Till.now = [2.0], FIRST + 5 * DAY + timedelta(minutes=3)
    ingest(platform, 4)
    assert [stamp[2:] for stamp in stamps(platform)] == [(None, None)] * 5
    assert versions(platform, 4) == [(FIRST + 5 * DAY, 3.0)]


def test_a_late_partition_is_known_from_its_ingestion_on(platform: Platform) -> None:
    Till.delivers[4], Till.now = [2.0], FIRST + 9 * DAY
    ingest(platform, 4)
    assert stamps(platform)[-1] == (4, 2.0, FIRST + 9 * DAY, None)
    assert versions(platform, 4) == [(FIRST + 5 * DAY, 1.0), (FIRST + 9 * DAY, 3.0)]


def test_a_backfill_adds_and_withdraws_rows_from_its_ingestion_on(platform: Platform) -> None:
    before = versions(platform, 2)
    assert before == [(FIRST + 3 * DAY, 2.0)]
    Till.delivers[2], Till.now = [1.0, 5.0], FIRST + 5 * DAY + timedelta(hours=1)
    ingest(platform, 2)
    once = Till.now
    assert stamps(platform)[2:4] == [(2, 1.0, None, None), (2, 5.0, once, None)]
    assert versions(platform, 2) == [*before, (once, 7.0)]
    assert versions(platform, 3) == [(FIRST + 4 * DAY, 2.0), (once, 7.0)]
    Till.delivers[2], Till.now = [5.0], FIRST + 6 * DAY
    ingest(platform, 2)
    assert stamps(platform)[2:4] == [(2, 1.0, None, Till.now), (2, 5.0, once, None)]
    assert versions(platform, 2) == [*before, (once, 7.0), (Till.now, 6.0)]


def test_ingesting_a_partition_again_without_changes_changes_nothing(platform: Platform) -> None:
    before = stamps(platform)
    Till.delivers[1], Till.now = [1.0, 1.0], FIRST + 8 * DAY
    ingest(platform, 0, 3)
    assert stamps(platform) == before
    ingest(platform, 1)
    assert stamps(platform) == [*before[:2], (1, 1.0, Till.now, None), *before[2:]]  # an equal row more is a new row
