"""A small project on generated purchases: users who spend more come again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

import mlp_assets as mlp
from tests.support import logistic

USERS = 400
DEPLOYED = datetime(2024, 4, 1, tzinfo=UTC)
MONITORED = ("predictions", "feedback", "drift", "estimated_performance", "realised_performance", "alarms")
"""The kinds of the assets that a monitor needs, from the prediction log to the alarms."""


class Feed:
    """The feed of purchases. From ``cents_since`` on, amounts are in cents instead of dollars."""

    cents_since: datetime | None = None


def spending_of(week: int) -> np.ndarray:
    return np.random.default_rng(week).gamma(2.0, 10.0, USERS) * np.linspace(0.2, 2.0, USERS)


def read_purchases(window: mlp.Window) -> pl.DataFrame:
    amounts = spending_of(window.start.toordinal())
    if Feed.cents_since is not None and window.start >= Feed.cents_since:
        amounts = amounts * 100
    at = [window.start + timedelta(hours=user % 160) for user in range(USERS)]
    return pl.DataFrame({"user_id": range(USERS), "amount": amounts, "bought_at": at})


def read_outcomes(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    asked_at = window.end - timedelta(days=7)
    chance = np.linspace(0.02, 0.95, USERS)
    came = np.random.default_rng([1, window.start.toordinal()]).random(USERS) < chance
    return pl.DataFrame({"user_id": range(USERS), "came_again": came.astype(float)}).with_columns(
        asked_at=pl.lit(asked_at)
    )


def train(run: mlp.TrainingRun) -> object:
    run.log(10, rows=float(len(run.train.y)))
    return logistic.fitted(run.train.x, run.train.y)


def train_on_a_random_half(run: mlp.TrainingRun) -> object:
    """Without the seed, so never twice the same."""
    half = np.random.default_rng().random(len(run.train.y)) < 0.5
    return logistic.fitted(run.train.x[half], run.train.y[half])


def train_nothing(run: mlp.TrainingRun) -> object:
    """Every prediction is a half."""
    return logistic.Logistic(np.zeros(run.train.x.shape[1] + 1))


def share() -> dict[str, pl.Expr]:
    return {"spend_share": pl.col("spend_7d") / (pl.col("spend_28d") + 1)}


def ingested(read: Callable[..., pl.DataFrame] = read_purchases) -> tuple[mlp.Source, mlp.Source]:
    """The sources of purchases and outcomes."""
    years = {"every": "1w", "start": "2024-01-01", "end": "2024-05-06"}
    purchases = mlp.Source(
        "purchases",
        read=read,
        event_time="bought_at",
        columns={"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime},
        **years,  # type: ignore[arg-type]
    )
    outcomes = mlp.Source(
        "outcomes",
        read=read_outcomes,
        inputs=[purchases],
        event_time="asked_at",
        delay="7d",
        columns={"user_id": pl.Int64, "came_again": pl.Float64, "asked_at": pl.Datetime},
        **years,  # type: ignore[arg-type]
    )
    return purchases, outcomes


FEATURES = {"spend_7d": mlp.total("amount", over="7d"), "spend_28d": mlp.total("amount", over="28d")}


def make(
    gates: list[object] | None = None,
    sources: tuple[mlp.Source, mlp.Source] | None = None,
    features: dict[str, mlp.Aggregation] = FEATURES,
) -> mlp.Project:
    purchases, outcomes = sources or ingested()
    spending = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=purchases,
        every="1w",
        features=features,
        derive=share if features is FEATURES else None,
        ttl="28d",
        online=True,
    )
    model = mlp.Model(
        "comes_again",
        training_set=mlp.TrainingSet(
            "history",
            labels=outcomes,
            target="came_again",
            features=[spending],
            since="2024-01-29",
            availability="known",
        ),
        train=train,
        task="binary",
        gates=gates or [mlp.AtLeast("roc_auc", 0.6), mlp.NoWorseThan("champion", margin=0.05)],  # type: ignore[arg-type]
    )
    monitor = mlp.Monitor(
        "health",
        watches=mlp.Endpoint("score", model=model),
        alarms=[mlp.DriftAlarm(), mlp.PerformanceAlarm("roc_auc")],
        minimum_rows=100,
        retrain=True,
    )
    return mlp.Project("shop", owner="team:shop", assets=[monitor])
