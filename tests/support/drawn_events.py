"""Drawn events of users, and a view of them with every kind of aggregation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import UTC_TIME
from tests.support import samples as s
from tests.support.aggregations import START

COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "until": pl.Datetime}
SPAN = 20  # steps of the cadence that have events


@dataclass(frozen=True)
class Event:
    """Times are in minutes, for a cadence of an hour; ``gone`` and ``until`` are None if they never come.

    An event that is not ``late`` although it was known later has the delay that its source declares.
    """

    user: int
    at: int
    amount: float | None
    known: int
    gone: int | None
    until: int | None
    late: bool


@st.composite
def event(draw: st.DrawFn) -> Event:
    at = draw(st.integers(0, SPAN * 60 - 1) | st.integers(0, SPAN - 1).map(lambda hour: 60 * hour))
    lag = draw(st.sampled_from([0, 0, 0, 0, 5, 60, 100, 400]))
    gone, until = (draw(st.sampled_from([None, None, None, 30, 60, 200])) for _ in range(2))
    amount = draw(st.none() | st.integers(0, 6).map(lambda quarters: quarters / 4))
    return Event(
        user=draw(st.integers(0, 1)), at=at, amount=amount, known=at + lag, late=lag > 0 and draw(st.booleans()),
        gone=None if gone is None else at + lag + gone, until=None if until is None else at + until,
    )  # fmt: skip


def view(hours: int, *, attribute: bool) -> FeatureView:
    """Every kind of aggregation; most windows are no multiple of the cadence."""
    large = pl.col("amount") > 0.5
    features: dict[str, Aggregation | mlp.Ratio] = {
        "spend": mlp.total("amount", over=f"{90 * hours}m"),
        "large": mlp.total("amount", over=f"{5 * hours}h", where=large),
        "visits": mlp.count(over=f"{5 * hours}h"),
        "amounts": mlp.count_distinct("amount", over=f"{150 * hours}m"),
        "mean": mlp.mean("amount", over=f"{5 * hours}h"),
        "spread": mlp.std("amount", over=f"{5 * hours}h"),
        "smallest": mlp.minimum("amount", over=f"{3 * hours}h"),
        "doubled": mlp.maximum(pl.col("amount") * 2, over=f"{90 * hours}m"),
        "newest": mlp.latest("amount", over=f"{150 * hours}m"),
        "oldest": mlp.first("amount", over=f"{5 * hours}h"),
        "share": mlp.ratio(mlp.total("amount", over=f"{90 * hours}m"), mlp.total("amount", over=f"{5 * hours}h")),
        "sum": mlp.expression(pl.col("amount").sum(), over=f"{3 * hours}h"),
    }
    if attribute:
        features |= {"tier": mlp.attribute("amount", until="until"), "raised": mlp.attribute("amount", where=large)}
        features["since"] = mlp.days_since_last(over=f"{3 * hours}h", where=large)
    source = s.source(columns=COLUMNS, start="2024-03-01")
    return s.view(source=source, features=features, every=f"{hours}h", derive=per_visit)


def per_visit() -> dict[str, pl.Expr]:
    return {"per_visit": pl.col("spend") / pl.col("visits")}


def frame(events: Sequence[Event], hours: int) -> pl.LazyFrame:
    def times(minutes: Sequence[int | None]) -> list[datetime | None]:
        return [None if each is None else START + timedelta(minutes=each * hours) for each in minutes]

    data = {
        "user_id": [each.user for each in events],
        "amount": [each.amount for each in events],
        "at": times([each.at for each in events]),
        "until": times([each.until for each in events]),
        "known_at": times([each.known for each in events]),
        "__declared_at": times([each.known for each in events]),
        "withdrawn_at": times([each.gone for each in events]),
        "__late": [each.late for each in events],
    }
    stamps = dict.fromkeys(("at", "until", "known_at", "__declared_at", "withdrawn_at"), UTC_TIME)
    return pl.LazyFrame(data, schema_overrides={"amount": pl.Float64, **stamps})


exact = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-6)
