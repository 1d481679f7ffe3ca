"""A small right project, made of parts that a test may spoil one at a time."""

from collections.abc import Callable, Sequence

import polars as pl
import pytest

import mlp_assets as mlp


def read_events(window: mlp.Window) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [1], "amount": [2.0], "at": [window.start]})


def train(run: mlp.TrainingRun) -> object:
    return run


def ratio() -> dict[str, pl.Expr]:
    return {"mean_amount": pl.col("spend") / pl.col("visits")}


def source(**changes: object) -> mlp.Source:
    given = {
        "name": "events",
        "read": read_events,
        "event_time": "at",
        "columns": {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime},
    }
    return mlp.Source(**(given | changes))  # type: ignore[arg-type]


def labels(**changes: object) -> mlp.Source:
    columns = {"user_id": pl.Int64, "at": pl.Datetime, "bought": pl.Float64, "hour": pl.Float64}
    return source(**({"name": "labels", "columns": columns, "delay": "7d"} | changes))


user = mlp.Entity("user", keys=["user_id"])


def view(**changes: object) -> mlp.FeatureView:
    given = {
        "name": "spending",
        "entity": user,
        "source": source(),
        "features": {"spend": mlp.total("amount", over="30d"), "visits": mlp.count(over="30d")},
        "ttl": "60d",
        "online": True,
    }
    return mlp.FeatureView(**(given | changes))  # type: ignore[arg-type]


def training_set(**changes: object) -> mlp.TrainingSet:
    given = {"name": "history", "labels": labels(), "target": "bought", "features": [view()]}
    return mlp.TrainingSet(**(given | changes))  # type: ignore[arg-type]


def model(**changes: object) -> mlp.Model:
    given = {
        "name": "buys",
        "training_set": training_set(),
        "train": train,
        "task": "binary",
        "gates": [mlp.BetterThan("base_rate")],
    }
    return mlp.Model(**(given | changes))  # type: ignore[arg-type]


def endpoint(**changes: object) -> mlp.Endpoint:
    return mlp.Endpoint(**({"name": "score", "model": model()} | changes))  # type: ignore[arg-type]


def monitor(**changes: object) -> mlp.Monitor:
    given = {"name": "health", "watches": endpoint(), "alarms": [mlp.DriftAlarm()]}
    return mlp.Monitor(**(given | changes))  # type: ignore[arg-type]


def project(*assets: object, **changes: object) -> mlp.Project:
    given = {"name": "shop", "owner": "team:shop", "assets": list(assets) or [monitor()]}
    return mlp.Project(**(given | changes))  # type: ignore[arg-type]


def assert_told(make: Callable[[], object], sentences: Sequence[str]) -> None:
    """The spec (or the project itself) is refused in these words."""
    with pytest.raises(mlp.ProjectError) as raised:
        project(make())
    for sentence in sentences:
        assert sentence in str(raised.value)
