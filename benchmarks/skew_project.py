"""The project of the skew benchmark: windows, an attribute and derived features of generated visits, some late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

import mlp_assets as mlp

USERS, TRAINED_USERS, DAYS = 20_000, 2_000, 60
START = datetime(2024, 1, 1, tzinfo=UTC)
_UTC = pl.Datetime("us", "UTC")


def _visits() -> pl.DataFrame:
    """A visit in three days of each user; a fifth arrive up to two days late."""
    draw = np.random.default_rng(3)
    count = USERS * DAYS // 3
    late = np.where(draw.random(count) < 0.2, draw.integers(1, 2880, count), 0)
    frame = pl.DataFrame(
        {
            "user_id": draw.integers(0, USERS, count),
            "amount": draw.gamma(2.0, 9.0, count),
            "at": draw.integers(0, DAYS * 1440, count),
        }
    ).with_columns(arrived_at=pl.col("at") + pl.Series(late))
    return frame.with_columns(
        (pl.lit(START) + pl.duration(minutes=name)).cast(_UTC).alias(name) for name in ("at", "arrived_at")
    ).sort("arrived_at")


def _limits() -> pl.DataFrame:
    """Each user's limit at some time of the first week, and its changes."""
    draw = np.random.default_rng(4)
    count = USERS * 3
    minutes = np.concatenate([draw.integers(0, 7 * 1440, USERS), draw.integers(0, DAYS * 1440, count - USERS)])
    users = np.concatenate([np.arange(USERS), draw.integers(0, USERS, count - USERS)])
    frame = pl.DataFrame({"user_id": users, "limit": draw.integers(1, 50, count) / 7, "minute": minutes})
    return frame.select("user_id", "limit", set_at=(pl.lit(START) + pl.duration(minutes="minute")).cast(_UTC))


VISITS, LIMITS = _visits(), _limits()


def read_visits(window: mlp.Window) -> pl.DataFrame:
    return VISITS.filter(window.holds("arrived_at"))


def read_limits(window: mlp.Window) -> pl.DataFrame:
    return LIMITS.filter(window.holds("set_at"))


def read_outcomes(window: mlp.Window) -> pl.DataFrame:
    draw = np.random.default_rng(window.start.toordinal())
    came = draw.random(TRAINED_USERS) < np.linspace(0.1, 0.9, TRAINED_USERS)
    frame = pl.DataFrame(
        {"user_id": np.arange(TRAINED_USERS), "basket": draw.random(TRAINED_USERS), "came": came * 1.0}
    )
    return frame.with_columns(asked_at=pl.lit(window.start + timedelta(hours=6)).cast(_UTC))


def mean_visit() -> dict[str, pl.Expr]:
    return {"mean_visit_30d": pl.col("spend_30d") / pl.col("visits_30d")}


def of_request() -> dict[str, pl.Expr]:
    return {
        "basket_share": pl.col("basket") / pl.col("spend_7d"),
        "limit_share": pl.col("spend_30d") / (pl.col("limit") + 1),
    }


def train(run: mlp.TrainingRun) -> object:
    import lightgbm

    rows = lightgbm.Dataset(run.train.x, run.train.y)
    return lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1, "seed": run.seed}, rows, 10)


def make(recent: str = "7d") -> mlp.Project:
    """The project.

    Args:
        recent: the window of ``spend_7d``, whatever its name says.
    """
    days: dict[str, Any] = {"every": "1d", "start": f"{START:%Y-%m-%d}", "end": f"{START + timedelta(DAYS):%Y-%m-%d}"}
    columns: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "arrived_at": pl.Datetime}
    visits = mlp.Source("visits", read=read_visits, columns=columns, event_time="at", known_at="arrived_at", **days)
    columns = {"user_id": pl.Int64, "limit": pl.Float64, "set_at": pl.Datetime}
    limits = mlp.Source("limits", read=read_limits, columns=columns, event_time="set_at", **days)
    columns = {"user_id": pl.Int64, "basket": pl.Float64, "came": pl.Float64, "asked_at": pl.Datetime}
    outcomes = mlp.Source("outcomes", read=read_outcomes, columns=columns, event_time="asked_at", **days)
    user = mlp.Entity("user", keys=["user_id"])
    spending = mlp.FeatureView(
        "spending", entity=user, source=visits, derive=mean_visit, ttl="5d", online=True,
        features={
            "spend_7d": mlp.total("amount", over=recent), "visits_7d": mlp.count(over="7d"),
            "spend_30d": mlp.total("amount", over="30d"), "visits_30d": mlp.count(over="30d"),
            "largest_30d": mlp.maximum("amount", over="30d"),
        },
    )  # fmt: skip
    accounts = mlp.FeatureView(
        "accounts", entity=user, source=limits, online=True, features={"limit": mlp.attribute("limit")}
    )
    history = mlp.TrainingSet(
        "history", labels=outcomes, target="came", features=[spending, accounts], request=["basket"],
        derive=of_request, split=mlp.SplitByTime(validation="5d", test="5d"),
    )  # fmt: skip
    model = mlp.Model("comes", training_set=history, train=train, task="binary", gates=[mlp.AtLeast("roc_auc", 0.1)])
    return mlp.Project("bench", owner="team:bench", assets=[mlp.Endpoint("score", model=model)])
