"""A small valid project, made of parts that a test may change one at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp

anything: Any = mlp
"""The public names without their types, to write what a type checker would refuse."""
TIMES = {"user_id": pl.Int64, "at": pl.Datetime}
COLUMNS = TIMES | {"amount": pl.Float64}
LABEL_COLUMNS = TIMES | {"bought": pl.Float64, "hour": pl.Float64}


def read_events(window: mlp.Window) -> pl.DataFrame:
    return pl.DataFrame({"user_id": [1], "amount": [2.0], "at": [window.start]})


def train(run: mlp.TrainingRun) -> object:
    return run


def ratio() -> dict[str, pl.Expr]:
    return {"mean_amount": pl.col("spend") / pl.col("visits")}


def source(**changes: object) -> mlp.Source:
    defaults = {
        "name": "events",
        "read": read_events,
        "event_time": "at",
        "columns": COLUMNS,
    }
    return mlp.Source(**(defaults | changes))  # type: ignore[arg-type]


def labels(**changes: object) -> mlp.Source:
    return source(**({"name": "labels", "columns": LABEL_COLUMNS, "delay": "7d"} | changes))


user = mlp.Entity("user", keys=["user_id"])


def view(**changes: object) -> mlp.FeatureView:
    defaults = {
        "name": "spending",
        "entity": user,
        "source": source(),
        "features": {"spend": mlp.total("amount", over="30d"), "visits": mlp.count(over="30d")},
        "ttl": "60d",
        "online": True,
    }
    return mlp.FeatureView(**(defaults | changes))  # type: ignore[arg-type]


def training_set(**changes: object) -> mlp.TrainingSet:
    defaults = {
        "name": "history",
        "labels": labels(),
        "target": "bought",
        "features": [view()],
        "availability": "known",
    }
    return mlp.TrainingSet(**(defaults | changes))  # type: ignore[arg-type]


def model(**changes: object) -> mlp.Model:
    defaults = {
        "name": "buys",
        "training_set": training_set(),
        "train": train,
        "task": "binary",
        "gates": [mlp.BetterThan("base_rate")],
    }
    return mlp.Model(**(defaults | changes))  # type: ignore[arg-type]


def endpoint(**changes: object) -> mlp.Endpoint:
    return mlp.Endpoint(**({"name": "score", "model": model()} | changes))  # type: ignore[arg-type]


def monitor(**changes: object) -> mlp.Monitor:
    defaults = {"name": "health", "watches": endpoint(), "alarms": [mlp.DriftAlarm()]}
    return mlp.Monitor(**(defaults | changes))  # type: ignore[arg-type]


def project(*assets: object, **changes: object) -> mlp.Project:
    defaults = {"name": "shop", "owner": "team:shop", "assets": list(assets) or [monitor()]}
    return mlp.Project(**(defaults | changes))  # type: ignore[arg-type]


def assert_refused(make: Callable[[], object], fragments: Sequence[str]) -> None:
    """The spec, or the project itself, is refused: the message holds the fragments, and each problem has a fix."""
    with pytest.raises(mlp.ProjectError) as raised:
        project(make())
    for fragment in fragments:
        assert fragment in str(raised.value)
    assert all(problem.fix.endswith((".", "?")) for problem in raised.value.problems)
