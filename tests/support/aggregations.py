"""A view with most kinds of aggregation over windows of several lengths, and the moments of one week."""

from datetime import UTC, datetime, timedelta

import polars as pl

import mlp_assets as mlp
from tests.support import samples as s

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENTS = [START + n * DAY for n in range(1, 8)]
FEATURES = {
    "spend": mlp.total("amount", over="2d"),
    "visits": mlp.count(over="4d"),
    "amounts": mlp.count_distinct("amount", over="3d"),
    "mean": mlp.mean("amount", over="4d"),
    "spread": mlp.std("amount", over="4d"),
    "newest": mlp.latest("amount", over="3d"),
    "oldest": mlp.first("amount", over="3d"),
    "doubled": mlp.maximum(pl.col("amount") * 2, over="36h"),
    "median": mlp.expression(pl.col("amount").median(), over="4d"),
    "share": mlp.ratio(mlp.total("amount", over="2d"), mlp.total("amount", over="4d")),
}
VIEW = s.view(source=s.source(start="2024-03-01"), features=FEATURES)
