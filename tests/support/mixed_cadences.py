"""A project of hourly orders with views of several cadences, and rows until now."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

import mlp_assets as mlp
from mlp_assets.platform import definitions_for

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=4)
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime}


def read_orders(window: mlp.Window) -> pl.DataFrame:
    """One order in the middle of each hour."""
    hours = int((window.end - window.start) / timedelta(hours=1))
    times = [window.start + timedelta(hours=number, minutes=30) for number in range(hours)]
    rows = {"user_id": [1] * hours, "amount": [float(time.hour) for time in times], "ordered_at": times}
    return pl.DataFrame(rows, schema=COLUMNS | {"ordered_at": pl.Datetime("us", "UTC")})


def make() -> mlp.Project:
    orders = mlp.Source(
        "orders", read=read_orders, columns=COLUMNS, event_time="ordered_at", every="1h", start=f"{START:%Y-%m-%d}"
    )
    user = mlp.Entity("user", keys=["user_id"])

    def view(name: str, source: mlp.Source | mlp.FeatureView, every: str, column: str) -> mlp.FeatureView:
        features = {f"{name}_total": mlp.total(column, over="2d")}
        return mlp.FeatureView(name, entity=user, source=source, every=every, features=features, online=True)

    hourly = view("hourly", orders, "1h", "amount")
    views = [view("slow", orders, "6h", "amount"), view("two_days", orders, "2d", "amount")]
    return mlp.Project("shop", owner="team:shop", assets=[*views, view("daily", hourly, "1d", "hourly_total")])


@dg.definitions
def definitions() -> dg.Definitions:
    return definitions_for(make())
