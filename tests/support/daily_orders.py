"""A project of daily orders with every kind of view: windowed, of attributes, by week, and over another view."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

import mlp_assets as mlp
from mlp_assets.platform import definitions_for

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)  # nine weeks, from a Monday on
USERS = 5
VIEWS = ("recent", "tier", "weekly", "habit")
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "tier": pl.Float64, "ordered_at": pl.Datetime}


def day(number: int) -> str:
    """The partition of a day, counted from START."""
    return f"{START + timedelta(days=number):%Y-%m-%d}"


def read_orders(window: mlp.Window) -> pl.DataFrame:
    """One order of each user in each day of the window."""
    days = [window.start + timedelta(days=number) for number in range((window.end - window.start).days)]
    rows = [
        (user, float((start.toordinal() * 7 + user) % 11), float(start.day % 3), start + timedelta(hours=user))
        for start in days
        for user in range(USERS)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def make() -> mlp.Project:
    orders = mlp.Source(
        "orders",
        read=read_orders,
        columns=COLUMNS,
        event_time="ordered_at",
        start=f"{START:%Y-%m-%d}",
        end=f"{END:%Y-%m-%d}",
    )
    user = mlp.Entity("user", keys=["user_id"])
    total = mlp.total("amount", over="3d")
    recent = mlp.FeatureView("recent", entity=user, source=orders, features={"spend_3d": total}, online=True)
    tier = mlp.FeatureView("tier", entity=user, source=orders, features={"tier": mlp.attribute("tier")})
    weekly = mlp.FeatureView(
        "weekly", entity=user, source=orders, every="1w", features={"spend_2w": mlp.total("amount", over="14d")}
    )
    habit = mlp.FeatureView(
        "habit", entity=user, source=recent, features={"most_5d": mlp.maximum("spend_3d", over="5d")}
    )
    return mlp.Project("shop", owner="team:shop", assets=[recent, tier, weekly, habit])


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(make())
