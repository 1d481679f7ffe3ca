"""A project with one view over orders that may arrive late, and runs of it by day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

import mlp_assets as mlp
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SPENDING = Table("shop", "features", "spending")
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64,
    "amount": pl.Float64,
    "ordered_at": pl.Datetime,
    "arrived_at": pl.Datetime,
}


def order_rows(*orders: tuple[int, float, float, float]) -> pl.DataFrame:
    """Rows from (user, amount, day of the order, day of its arrival); days count from START."""
    return pl.DataFrame(
        {
            "user_id": [user for user, *_ in orders],
            "amount": [amount for _, amount, *_ in orders],
            "ordered_at": [START + DAY * day for *_, day, _ in orders],
            "arrived_at": [START + DAY * day for *_, day in orders],
        },
        schema_overrides={"amount": pl.Float64},
    )


def orders_project(**source_fields: Any) -> mlp.Project:
    orders = mlp.Source("orders", columns=COLUMNS, event_time="ordered_at", start="2024-01-01", **source_fields)
    spending = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=orders,
        features={"spend_3d": mlp.total("amount", over="3d"), "orders_3d": mlp.count(over="3d")},
    )
    return mlp.Project("shop", owner="team:shop", assets=[spending])


def day(number: int) -> str:
    """The partition of a day, counted from START."""
    return f"{START + DAY * number:%Y-%m-%d}"


def run_days(platform: Platform, *kinds: str, first: int, last: int | None = None) -> dg.ExecuteInProcessResult:
    span = {"dagster/asset_partition_range_start": day(first), "dagster/asset_partition_range_end": day(last or first)}
    return platform.run(*kinds, tags=span)


def materialized_partitions(result: dg.ExecuteInProcessResult, name: str = "spending") -> list[str]:
    events = result.get_asset_materialization_events()
    return sorted(
        {str(event.partition) for event in events if event.asset_key is not None and event.asset_key.path[-1] == name}
    )
