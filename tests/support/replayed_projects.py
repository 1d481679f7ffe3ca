"""Projects of every cadence and kind of source that are replayed, and the orders that reach them."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

import mlp_assets as mlp

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
# The hourly cases are after today: the true clock says when a table is created, and late steps count from then on.
AHEAD = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
LONG = bool(os.environ.get("MLP_LONG"))
USERS, DAYS, HOURLY_DAYS = (500, 60, 8) if LONG else (8, 15, 2)
COLUMNS: dict[str, Any] = {
    "user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime, "arrived_at": pl.Datetime,
}  # fmt: skip
user = mlp.Entity("user", keys=["user_id"])
_SPENDING = {"spend_3d": mlp.total("amount", over="3d"), "orders_5d": mlp.count(over="5d")}


def orders_of(start: datetime, days: int, per_user: float, late_minutes: int, step: int) -> pl.DataFrame:
    """Orders of which a fifth arrive late, and a tenth exactly when a step of some minutes ends."""
    rng = np.random.default_rng(3)
    count = int(days * USERS * per_user)
    ordered = rng.integers(0, days * 24 * 60, count)
    late = np.where(rng.random(count) < 0.2, rng.integers(1, late_minutes, count), 0)
    arrived = np.where(rng.random(count) < 0.1, -(-(ordered + late) // step) * step, ordered + late)
    minutes = [timedelta(minutes=int(minute)) for minute in ordered]
    return pl.DataFrame(
        {
            "user_id": rng.integers(0, USERS, count),
            "amount": rng.integers(1, 900, count) / 7,
            "ordered_at": [start + minute for minute in minutes],
            "arrived_at": [start + timedelta(minutes=int(minute)) for minute in arrived],
        }
    )


# A few orders a day, up to two days late; and a few in ten hours, up to nine hours late.
ORDERS = orders_of(START, DAYS + 8, 1.5, 60 * 50, 24 * 60)
HOURLY_ORDERS = orders_of(AHEAD, HOURLY_DAYS + 2, 10, 60 * 9, 60)


def read_orders(window: mlp.Window) -> pl.DataFrame:
    return (ORDERS if window.start < AHEAD else HOURLY_ORDERS).filter(window.holds("arrived_at"))


def external(location: str, **fields: Any) -> mlp.Source:
    return mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at",
        **({"start": "2024-01-01"} | fields),
    )  # fmt: skip


def ingested(_: str, every: str = "1d", start: datetime = START) -> mlp.Source:
    return mlp.Source(
        "orders", read=read_orders, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at",
        start=f"{start:%Y-%m-%d}", every=every,
    )  # fmt: skip


def spending(source: mlp.Source, **fields: Any) -> mlp.FeatureView:
    return mlp.FeatureView(
        "spending",
        entity=user,
        source=source,
        online=True,
        **({"features": _SPENDING, "ttl": "4d"} | fields),
    )


def habit(source: mlp.FeatureView, **fields: Any) -> mlp.FeatureView:
    return mlp.FeatureView(
        "habit",
        entity=user,
        source=source,
        online=True,
        features={"most_5d": mlp.maximum("spend_3d", over="7d"), "last": mlp.latest("spend_3d", over="14d")},
        **fields,
    )


def daily_external(location: str) -> list[mlp.FeatureView]:
    return [spending(external(location))]


def daily_on_arrival(location: str) -> list[mlp.FeatureView]:
    """With a view over it that is published by its schedule alone."""
    first = spending(external(location), publish="on_arrival")
    return [first, habit(first)]


def daily_ingested(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location))]


def daily_chain(location: str) -> list[mlp.FeatureView]:
    first = spending(external(location))
    return [first, habit(first)]


def weekly_view_of_daily_rows(location: str) -> list[mlp.FeatureView]:
    first = spending(ingested(location))
    return [first, habit(first, every="1w")]


def every_second_day(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location), every="2d", ttl="5d")]


def weekly_source(location: str) -> list[mlp.FeatureView]:
    return [spending(ingested(location, every="1w"))]


def hours(source: mlp.Source, every: str = "1h") -> mlp.FeatureView:
    return mlp.FeatureView(
        "hours",
        entity=user,
        source=source,
        online=True,
        every=every,
        ttl="7h",
        features={"spend_6h": mlp.total("amount", over="6h"), "orders_1d": mlp.count(over="1d")},
    )


def hourly_external(location: str) -> list[mlp.FeatureView]:
    return [hours(external(location, start=f"{AHEAD:%Y-%m-%d}"))]


def hourly_chain(location: str) -> list[mlp.FeatureView]:
    """A view over one whose rows stand for several hours."""
    first = hours(external(location, start=f"{AHEAD:%Y-%m-%d}"))
    features = {"most_12h": mlp.maximum("spend_6h", over="12h"), "rows_6h": mlp.count(over="6h")}
    peaks = mlp.FeatureView("peaks", entity=user, source=first, online=True, every="3h", features=features)
    return [first, peaks]


def hourly_ingested(location: str) -> list[mlp.FeatureView]:
    """With a daily view, and one of three hours, of the same hourly rows."""
    source = ingested(location, every="1h", start=AHEAD)
    slow = mlp.FeatureView(
        "slow", entity=user, source=source, online=True, every="3h", features={"most_9h": mlp.maximum("amount", "9h")}
    )
    return [hours(source), spending(source, ttl="1d"), slow]


CASES = (
    daily_external, daily_on_arrival, daily_ingested, daily_chain, weekly_view_of_daily_rows, every_second_day,
    weekly_source, hourly_external, hourly_chain, hourly_ingested,
)  # fmt: skip
