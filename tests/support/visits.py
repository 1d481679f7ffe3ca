"""A project whose rows lack features in every way: entities that are unknown, quiet, or buy now and then."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

import mlp_assets as mlp

FIRST, USERS, CHANNELS = datetime(2024, 1, 1, tzinfo=UTC), 120, ["app", "shop", "web"]
YEAR = {"every": "1w", "start": f"{FIRST:%Y-%m-%d}", "end": "2024-06-03"}
COLUMNS = {
    "user_id": pl.Int64, "asked_at": pl.Datetime, "hour": pl.Float64, "member": pl.Boolean, "channel": pl.String,
    "note": pl.String, "mood": pl.List(pl.Float64),
}  # fmt: skip


def week_of(time: datetime) -> int:
    return (time - FIRST).days // 7


def read_orders(window: mlp.Window) -> pl.DataFrame:
    """A user orders in four weeks of nine: then has old features, expired ones, and none."""
    users = [user for user in range(USERS) if (week_of(window.start) + user) % 9 < 4]
    rng = np.random.default_rng(window.start.toordinal())
    at = [window.start + timedelta(hours=user) for user in users]
    return pl.DataFrame({"user_id": users, "amount": rng.gamma(2.0, 10.0, len(users)), "ordered_at": at})


def rows_of(window: mlp.Window, users: Sequence[int], seed: int) -> pl.DataFrame:
    """What callers send: numbers, a truth value, texts, a list. Some ask at the moment at which the window starts."""
    rng = np.random.default_rng([seed, window.start.toordinal()])
    count = len(users)
    at = [window.start + timedelta(seconds=int(second)) for second in rng.integers(0, 7 * 86_400, count)]
    channel = rng.choice([*CHANNELS, "fax"], count).tolist()
    frame = {
        "user_id": list(users),
        "asked_at": [window.start if number % 5 == 0 else time for number, time in enumerate(at)],
        "hour": rng.random(count) * 24 / 7,
        "member": (rng.random(count) < 0.5).tolist(),
        "channel": channel,
        "note": [f"by {one}, thanks" for one in rng.permutation(channel)],
        "mood": rng.normal(size=(count, 3)).tolist(),
    }
    return pl.DataFrame(frame, schema_overrides={"mood": pl.List(pl.Float64)})


def read_labels(window: mlp.Window) -> pl.DataFrame:
    asked = mlp.Window(window.start - timedelta(days=7), window.start)
    rows = rows_of(asked, range(USERS), seed=1)
    score = rows["hour"] / 4 + rows["mood"].list.first() + (rows["channel"] == "web").cast(pl.Float64)
    noise = np.random.default_rng([2, asked.start.toordinal()]).normal(size=USERS)
    return rows.with_columns(came=(score + pl.Series(noise) > 1).cast(pl.Float64), kind=pl.col("channel"))


def read_rows(window: mlp.Window) -> pl.DataFrame:
    """The rows to score, of unknown users too."""
    return rows_of(window, range(0, USERS + 40, 3), seed=3)


def of_request() -> dict[str, pl.Expr]:
    """Of features, request columns, a key, a text and a list."""
    return {
        "per_order": pl.col("spend_28d") / pl.col("orders_7d"),
        "evening": pl.col("hour").log() * pl.col("member"),
        "on_web": (pl.col("channel") == "web").cast(pl.Float64),
        "mood_mean": pl.col("mood").list.mean(),
        "odd": pl.col("user_id") % 2,
    }


def train(run: mlp.TrainingRun) -> object:
    import lightgbm

    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": run.seed}
    if run.classes:
        settings |= {"objective": "multiclass", "num_class": len(run.classes)}
    return lightgbm.train(settings, lightgbm.Dataset(run.train.x.astype(float), run.train.y), 20)


orders = mlp.Source(
    "orders", read=read_orders, event_time="ordered_at",
    columns={"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime}, **YEAR,  # type: ignore[arg-type]
)  # fmt: skip
labels = mlp.Source(
    "labels", read=read_labels, event_time="asked_at", delay="7d",
    columns=COLUMNS | {"came": pl.Float64, "kind": pl.String}, **YEAR,  # type: ignore[arg-type]
)  # fmt: skip
rows = mlp.Source("rows", read=read_rows, event_time="asked_at", columns=COLUMNS, **YEAR)  # type: ignore[arg-type]
spending = mlp.FeatureView(
    "spending", entity=mlp.Entity("user", keys=["user_id"]), source=orders, every="1w", ttl="7d", online=True,
    features={
        "spend_28d": mlp.total("amount", over="28d"), "mean_7d": mlp.mean("amount", over="7d"),
        "orders_7d": mlp.count(over="7d"),
    },
)  # fmt: skip
history = mlp.TrainingSet(
    "history", labels=labels, target="came", features=[spending], derive=of_request,
    request=["hour", "member", "channel", "mood"], availability="known",
)  # fmt: skip
comes = mlp.Model(
    "comes", training_set=history, train=train, task="binary", gates=[mlp.AtLeast("roc_auc", 0.5)],
    encode={"channel": mlp.Categories(), "mood": mlp.Vector(3), "user_id": mlp.Categories()},
)  # fmt: skip
kinds = mlp.Model(
    "kinds",
    training_set=mlp.TrainingSet(
        "notes", labels=labels, target="kind", features=[spending], request=["note"], availability="known"
    ),
    train=train, task="multiclass", gates=[mlp.AtLeast("accuracy", 0.1)],
    encode={"note": mlp.Tokens(4, vocabulary=512)},
)  # fmt: skip
project = mlp.Project(
    "shop",
    owner="team:shop",
    assets=[
        mlp.BatchScore("weekly_scores", model=comes, rows=rows),
        mlp.BatchScore("weekly_kinds", model=kinds, rows=rows),
        mlp.Endpoint("score", model=comes),
        mlp.Endpoint("kind", model=kinds),
    ],
)


class Clock:
    """The time that the platform goes by."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


CLOCK = Clock(FIRST)
