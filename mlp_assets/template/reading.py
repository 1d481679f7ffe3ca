"""Where the rows come from. Each function gets a time window and returns the rows that became known in it."""

from datetime import timedelta
from pathlib import Path

import polars as pl

import mlp_assets as mlp

ORDERS = Path(__file__).parent / "data" / "orders.parquet"


def read_orders(window: mlp.Window) -> pl.LazyFrame:
    """The orders of the window. Put your own query here: a database, a folder of files, an API."""
    return pl.scan_parquet(ORDERS).filter(window.holds("ordered_at"))


def read_outcomes(window: mlp.Window, orders: pl.LazyFrame) -> pl.LazyFrame:
    """Whether each customer seen before the window orders in it. Asked six hours after its start, known at its end.

    By then the features of the moment at which the window starts are online.
    """
    asked_at = window.start + timedelta(hours=6)
    seen = orders.filter(pl.col("ordered_at") < window.start).select("customer_id").unique()
    in_window = orders.filter(window.holds("ordered_at"), pl.col("ordered_at") >= asked_at)
    ordered = in_window.select("customer_id", ordered_again=pl.lit(1.0)).unique()
    labels = seen.join(ordered, on="customer_id", how="left").with_columns(pl.col("ordered_again").fill_null(0.0))
    return labels.with_columns(asked_at=pl.lit(asked_at))
