"""Daily orders whose source fails from a day on, or interrupts its process there, while the test says so."""

import os
import signal
from dataclasses import replace
from datetime import datetime

import polars as pl

import mlp_assets as mlp
from tests.support import daily_orders


class Trouble:
    """What happens when ``read`` reaches a day."""

    fails_at: datetime | None = None
    interrupts_at: datetime | None = None


def read_orders(window: mlp.Window) -> pl.DataFrame:
    if window.start == Trouble.fails_at:
        raise ValueError("the till is closed")
    if window.start == Trouble.interrupts_at:
        os.kill(os.getpid(), signal.SIGINT)
    return daily_orders.read_orders(window)


def make() -> mlp.Project:
    orders = replace(daily_orders.make().sources[0], read=read_orders)
    user = mlp.Entity("user", keys=["user_id"])
    features = {"spend_3d": mlp.total("amount", over="3d")}
    recent = mlp.FeatureView("recent", entity=user, source=orders, features=features, online=True)
    returns = replace(orders, name="returns", read=daily_orders.read_orders)
    given_back = mlp.FeatureView(
        "given_back", entity=user, source=returns, features={"orders_3d": mlp.count(over="3d")}
    )
    return mlp.Project("shop", owner="team:shop", assets=[recent, given_back])
