"""150,000 orders, a third of them of one user, and a view over them that is computed without Dagster's runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import mlp_assets as mlp
from mlp_assets.features.partition_writer import ComputedPartitions, compute_partitions
from mlp_assets.orchestration.partitions import Windows, partitions_of, window_of
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, EVENTS = 30, 150_000
COLUMNS = {"user_id": pl.Int64, "shop": pl.String, "amount": pl.Float64, "at": pl.Datetime, "known": pl.Datetime}


def spend_share() -> dict[str, pl.Expr]:
    return {"share": pl.col("spend_7d") / (pl.col("spend_21d") + 1)}


def view_of(location: str) -> mlp.FeatureView:
    source = mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="at", known_at="known", start="2024-01-01"
    )
    return mlp.FeatureView(
        "spending",
        entity=mlp.Entity("visit", keys=["user_id", "shop"]),
        source=source,
        features={
            "spend_7d": mlp.total("amount", over="7d"),
            "spend_21d": mlp.total("amount", over="21d"),
            "spread_21d": mlp.std("amount", over="21d"),
        },
        derive=spend_share,
    )


def orders() -> pl.DataFrame:
    """Three in ten orders are of one user in one shop; one in a hundred becomes known up to two days later."""
    rng = np.random.default_rng(3)
    users = np.where(rng.random(EVENTS) < 0.3, 7, rng.integers(0, 1000, EVENTS))
    at = pl.Series(rng.integers(0, DAYS * 86_400_000_000, EVENTS)).cast(pl.Duration("us")) + START
    lag = pl.Series(np.where(rng.random(EVENTS) < 0.01, rng.integers(1, 48, EVENTS), 0)).cast(pl.Int64)
    shops = np.where(users == 7, "a", rng.choice(["a", "b"], EVENTS))
    frame = pl.DataFrame({"user_id": users, "shop": shops, "amount": rng.gamma(2, 10, EVENTS), "at": at})
    return frame.with_columns(known=pl.col("at") + pl.duration(hours=lag))


def windows_of(view: mlp.FeatureView, days: int = DAYS) -> Windows:
    definition = partitions_of(view.root, view.every)
    names = [f"{START + timedelta(days=number):%Y-%m-%d}" for number in range(days)]
    return [(name, window_of(definition, name)) for name in names]


def compute_days(view: mlp.FeatureView, home: Path, days: int = DAYS) -> ComputedPartitions:
    project = mlp.Project("shop", owner="team:shop", assets=[view])
    return compute_partitions(Scope(project, LocalEnvironment(home)), view, windows_of(view, days), set())
