"""The project of a team whose home was made by an earlier commit. It uses what that commit knew, and stays as it is."""

from datetime import timedelta

import numpy as np
import polars as pl

import mlp_assets as mlp

USERS = 300
YEARS = {"every": "1w", "start": "2024-01-01", "end": "2024-05-27"}


def read_purchases(window: mlp.Window) -> pl.DataFrame:
    amounts = np.random.default_rng(window.start.toordinal()).gamma(2.0, 10.0, USERS) * np.linspace(0.2, 2.0, USERS)
    at = [window.start + timedelta(hours=user % 160) for user in range(USERS)]
    return pl.DataFrame({"user_id": range(USERS), "amount": amounts, "bought_at": at})


def read_outcomes(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rng = np.random.default_rng([1, window.start.toordinal()])
    came = (rng.random(USERS) < np.linspace(0.02, 0.95, USERS)).astype(float)
    channels = [("shop", "phone", "web")[user % 3] for user in range(USERS)]
    asked_at = window.end - timedelta(days=7)
    rows = pl.DataFrame({"user_id": range(USERS), "channel": channels, "came_again": came})
    return rows.with_columns(asked_at=pl.lit(asked_at))


def train(run: mlp.TrainingRun) -> object:
    import lightgbm

    data = lightgbm.Dataset(run.train.x.astype(float), run.train.y)
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1, "seed": run.seed}, data, 30)
    run.log(30, rows=float(len(run.train.y)))
    return booster


def spend_share() -> dict[str, pl.Expr]:
    return {"spend_share": pl.col("spend_7d") / (pl.col("spend_28d") + 1)}


def seldom() -> dict[str, pl.Expr]:
    return {"seldom": (pl.col("visits_28d") < 2).cast(pl.Float64)}


purchases = mlp.Source(
    "purchases",
    read=read_purchases,
    event_time="bought_at",
    columns={"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime},
    **YEARS,  # type: ignore[arg-type]
)
outcomes = mlp.Source(
    "outcomes",
    read=read_outcomes,
    inputs=[purchases],
    event_time="asked_at",
    delay="7d",
    columns={"user_id": pl.Int64, "channel": pl.String, "came_again": pl.Float64, "asked_at": pl.Datetime},
    **YEARS,  # type: ignore[arg-type]
)
spending = mlp.FeatureView(
    "spending",
    entity=mlp.Entity("user", keys=["user_id"]),
    source=purchases,
    every="1w",
    features={
        "spend_7d": mlp.total("amount", over="7d"),
        "spend_28d": mlp.total("amount", over="28d"),
        "visits_28d": mlp.count(over="28d"),
        "largest": mlp.maximum("amount", over="28d"),
    },
    derive=spend_share,
    ttl="28d",
    online=True,
)
history = mlp.TrainingSet(
    "history",
    labels=outcomes,
    target="came_again",
    features=[spending],
    request=["channel"],
    derive=seldom,
    since="2024-01-29",
)
comes_again = mlp.Model(
    "comes_again",
    training_set=history,
    train=train,
    task="binary",
    encode={"channel": mlp.Categories()},
    gates=[mlp.AtLeast("roc_auc", 0.6), mlp.NoWorseThan("champion", margin=0.1)],
)
health = mlp.Monitor(
    "health",
    watches=mlp.Endpoint("score", model=comes_again),
    alarms=[mlp.DriftAlarm(), mlp.PerformanceAlarm("roc_auc")],
    minimum_rows=100,
    retrain=True,
)
project = mlp.Project("shop", owner="team:shop", assets=[health])
