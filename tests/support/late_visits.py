"""A daily project with late rows, derived features and a request column, for what an endpoint logs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import mlp_assets as mlp
from mlp_assets.nouns.feature_view import Derive
from mlp_resources.ports.lake import Table
from tests.support import logistic
from tests.support.platform import Platform, weeks

USERS = 24
START, TRAINED = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 29, tzinfo=UTC)
DAY = timedelta(days=1)
SPENDING = Table("shop", "features", "spending")
_COLUMNS: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "arrived_at": pl.Datetime}


def _visits(days: int = 45) -> pl.DataFrame:
    """Some visits of each user, of which a fifth arrive hours or days late; user 3 is quiet for weeks."""
    draw = np.random.default_rng(5)
    count = days * USERS
    user = draw.integers(0, USERS, count)
    minute = draw.integers(0, days * 1440, count)
    late = np.where(draw.random(count) < 0.2, draw.integers(1, 3000, count), 0)
    frame = pl.DataFrame({"user_id": user, "amount": draw.gamma(2.0, 4.0, count) * (1 + user), "minute": minute})
    at = pl.lit(START) + pl.duration(minutes="minute")
    frame = frame.with_columns(at=at, arrived_at=at + pl.duration(minutes=pl.lit(pl.Series(late))))
    quiet = (pl.col("user_id") == 3) & pl.col("at").is_between(START + 10 * DAY, START + 40 * DAY)
    return frame.filter(~quiet).drop("minute")


VISITS = _visits()


def read_visits(window: mlp.Window) -> pl.DataFrame:
    return VISITS.filter(window.holds("arrived_at"))


def read_outcomes(window: mlp.Window) -> pl.DataFrame:
    draw = np.random.default_rng(window.start.toordinal())
    came = draw.random(USERS) < np.linspace(0.05, 0.95, USERS)
    hour = draw.integers(0, 24, USERS)
    asked = window.start + timedelta(hours=6)
    return pl.DataFrame({"user_id": range(USERS), "hour": hour, "came": came.astype(float)}).with_columns(
        asked_at=pl.lit(asked)
    )


def train(run: mlp.TrainingRun) -> object:
    return logistic.fitted(run.train.x, run.train.y)


def mean_visit() -> dict[str, pl.Expr]:
    return {"mean_visit": pl.col("spend_7d") / pl.col("visits_7d")}


def of_request() -> dict[str, pl.Expr]:
    return {"hourly": pl.col("spend_7d") / (pl.col("hour") + 1)}


def twice_the_mean_visit() -> dict[str, pl.Expr]:
    return {"mean_visit": 2 * pl.col("spend_7d") / pl.col("visits_7d")}


def of_request_minutes() -> dict[str, pl.Expr]:
    return {"hourly": pl.col("spend_7d") / (60 * pl.col("hour") + 1)}


@dataclass
class Clock:
    """The real time, shifted: requests are answered by the real clock."""

    behind: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


def days(first: datetime, last: datetime) -> dict[str, str]:
    """The tags of a run over these days."""
    return weeks(f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")


def build(home: Path) -> None:
    """A home with four weeks of features, published, and a champion trained on them."""
    built = Platform(make(), home)
    built.run("source", "features", tags=days(START, TRAINED - DAY))
    built.run("online")
    built.run("training_set", "candidate", "champion")


def make(
    window: str = "7d",
    where: pl.Expr | None = None,
    mean: Derive = mean_visit,
    hourly: Derive | None = of_request,
    reads: Sequence[str] = ("spending", "habits"),
    skew_gate: bool = True,
    **others: mlp.Aggregation,
) -> mlp.Project:
    """The project.

    Args:
        window: of ``spend_7d``, whatever its name says.
        where: the filter of ``visits_7d``.
        mean, hourly: ``derive`` of the view and of the training set.
        reads: the views that the model reads.
        others: further features of the view.
    """
    days: dict[str, Any] = {"every": "1d", "start": "2024-01-01", "end": "2024-02-10"}
    visits = mlp.Source(
        "visits", read=read_visits, columns=_COLUMNS, event_time="at", known_at="arrived_at", **days
    )  # fmt: skip
    asked: dict[str, Any] = {"user_id": pl.Int64, "hour": pl.Int64, "came": pl.Float64, "asked_at": pl.Datetime}
    outcomes = mlp.Source("outcomes", read=read_outcomes, columns=asked, event_time="asked_at", **days)
    user = mlp.Entity("user", keys=["user_id"])
    spending = mlp.FeatureView(
        "spending", entity=user, source=visits, derive=mean, ttl="4d", online=True,
        features={
            "spend_7d": mlp.total("amount", over=window), "visits_7d": mlp.count(over="7d", where=where), **others
        },
    )  # fmt: skip
    habits = mlp.FeatureView(
        "habits", entity=user, source=visits, online=True, features={"largest_3d": mlp.maximum("amount", over="3d")}
    )
    history = mlp.TrainingSet(
        "history", labels=outcomes, target="came", features=[view for view in (spending, habits) if view.name in reads],
        request=["hour"], derive=hourly, split=mlp.SplitByTime(validation="5d", test="5d"),
    )  # fmt: skip
    gates = [mlp.AtLeast("roc_auc", 0.5)]
    model = mlp.Model("comes", training_set=history, train=train, task="binary", gates=gates, skew_gate=skew_gate)
    nightly = mlp.BatchScore("nightly", model=model, rows=outcomes)
    return mlp.Project("shop", owner="team:shop", assets=[mlp.Endpoint("score", model=model), nightly])
