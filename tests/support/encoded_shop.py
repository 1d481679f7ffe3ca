"""The shop with a model of a text, a list and a key, by torch."""

from dataclasses import replace

import numpy as np
import polars as pl
import torch
from torch import nn

import mlp_assets as mlp
from tests.support import shop

CHANNELS = ["app", "shop", "web"]


def read_visits(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rows = shop.read_outcomes(window, purchases)
    rng = np.random.default_rng([2, window.start.toordinal()])
    channel = rng.choice([*CHANNELS, "fax"], rows.height, p=[0.4, 0.3, 0.295, 0.005])
    mood = rng.normal(size=(rows.height, 3)).round(3)
    came = rows["came_again"].to_numpy() * (channel != "web") + (mood[:, 0] > 1.5)
    return rows.with_columns(
        came_again=pl.Series(np.minimum(came, 1.0)),
        channel=pl.Series(channel.tolist()),
        mood=pl.Series(mood.tolist(), dtype=pl.List(pl.Float64)),
    )


class Network(nn.Module):
    """An embedding of one column beside the numbers."""

    def __init__(self, categories: int, place: int, width: int) -> None:
        super().__init__()
        self.place, self.embedding = place, nn.Embedding(categories, 2)
        self.head = nn.Sequential(nn.Linear(width + 1, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        known = torch.nan_to_num(x)
        embedded = self.embedding(known[:, self.place].long())
        rest = torch.cat([known[:, : self.place], known[:, self.place + 1 :] / 100.0, embedded], dim=1)
        return torch.sigmoid(self.head(rest)).flatten()


def train(run: mlp.TrainingRun) -> object:
    assert run.categories == {"channel": 4, "user_id": shop.USERS + 1}  # the fax is too rare
    torch.manual_seed(run.seed)
    network = Network(run.categories["channel"], run.features.index("channel"), len(run.features))
    optimizer, loss_of = torch.optim.Adam(network.parameters(), 0.02), nn.BCELoss()
    for batches in run.loader(128).epochs(8):
        for x, y in batches:
            optimizer.zero_grad()
            loss_of(network(x), y).backward()
            optimizer.step()
    run.log(1, rows=float(len(run.train)))
    return network


def encoded() -> mlp.Project:
    purchases, _ = shop.ingested()
    visits = mlp.Source(
        "visits",
        read=read_visits,
        inputs=[purchases],
        event_time="asked_at",
        delay="7d",
        every="1w",
        start="2024-01-01",
        end="2024-05-06",
        columns={
            "user_id": pl.Int64, "came_again": pl.Float64, "asked_at": pl.Datetime, "channel": pl.String,
            "mood": pl.List(pl.Float64),
        },
    )  # fmt: skip
    project = shop.make(sources=(purchases, visits))
    (monitor,) = project.monitors
    (model,) = project.models
    changed = replace(
        model,
        training_set=replace(model.training_set, request=["channel", "mood"], derive=derived),
        train=train,
        encode={
            "channel": mlp.Categories(min_rows=50),
            "mood": mlp.Vector(size=3),
            "user_id": mlp.Categories(),
            "spend_28d": mlp.Standardized(),
        },
        gates=[mlp.AtLeast("roc_auc", 0.6), mlp.BetterThan("logistic_regression", by="user_id")],
    )
    return replace(project, assets=[replace(monitor, watches=replace(monitor.watches, model=changed))])


def derived() -> dict[str, pl.Expr]:
    """Of a text and of a list."""
    return {"on_web": (pl.col("channel") == "web").cast(pl.Float64), "mood_mean": pl.col("mood").list.mean()}
