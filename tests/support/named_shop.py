"""The shop with a model that names one of three classes, by LightGBM."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

import mlp_assets as mlp
from tests.support import shop

CHANNELS = ["app", "shop", "web"]


def read_visits(window: mlp.Window) -> pl.DataFrame:
    """Each third of the users has its channel; a word of the note tells it, at times."""
    rng = np.random.default_rng([3, window.start.toordinal()])
    own = np.repeat(CHANNELS, -(-shop.USERS // 3))[: shop.USERS]
    channel = np.where(rng.random(shop.USERS) < 0.7, own, rng.choice(CHANNELS, shop.USERS))
    word = np.where(rng.random(shop.USERS) < 0.45, channel, rng.choice(CHANNELS, shop.USERS))
    notes = [f"by {one}, thanks" for one in word]
    asked_at = window.end - timedelta(days=7)
    return pl.DataFrame({"user_id": range(shop.USERS), "channel": channel, "note": notes, "asked_at": asked_at})


def train(run: mlp.TrainingRun) -> object:
    import lightgbm

    assert run.classes == tuple(CHANNELS)
    assert run.features[-5:] == ("spend_share", "note[0]", "note[1]", "note[2]", "note[3]")
    assert set(run.train.y) == {0.0, 1.0, 2.0}
    assert run.categories["note"] <= 512
    settings = {
        "objective": "multiclass",
        "num_class": len(run.classes),
        "verbose": -1,
        "num_threads": 1,
        "seed": run.seed,
    }
    return lightgbm.train(settings, lightgbm.Dataset(run.train.x.astype(float), run.train.y), 30)


def named() -> mlp.Project:
    purchases, _ = shop.ingested()
    visits = mlp.Source(
        "visits",
        read=read_visits,
        event_time="asked_at",
        delay="7d",
        every="1w",
        start="2024-01-01",
        end="2024-05-06",
        columns={"user_id": pl.Int64, "channel": pl.String, "note": pl.String, "asked_at": pl.Datetime},
    )
    (monitor,) = shop.make().monitors
    model = monitor.watches.model
    (view,) = model.training_set.features
    changed = replace(
        model,
        training_set=replace(
            model.training_set, labels=visits, target="channel", features=[replace(view, source=purchases)],
            request=["note"],
        ),
        task="multiclass",
        train=train,
        encode={"note": mlp.Tokens(4, vocabulary=512)},
        gates=[
            mlp.BetterThan("tfidf"), mlp.BetterThan("base_rate"), mlp.AtLeast("macro_f1", 0.5),
            mlp.NoWorseThan("champion", margin=0.05), mlp.Calibrated(0.15),
            mlp.OnEverySlice("accuracy", 0.4, by="channel", min_rows=100),
        ],
    )  # fmt: skip
    watched = replace(monitor.watches, model=changed)
    alarms = [mlp.DriftAlarm(), mlp.PerformanceAlarm("accuracy")]
    return mlp.Project("shop", owner="team:shop", assets=[replace(monitor, watches=watched, alarms=alarms)])
