"""A model of texts, lists and keys: encoded as the training rows tell, in training, judging and serving."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.openapi import example_request
from mlp_assets.endpoints.replica.prediction_log import prediction_rows
from mlp_assets.endpoints.replica.spool import PREDICTIONS, read_lines, spooled_files
from mlp_assets.platform import reproduce_version
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.champions import WEEKS
from tests.support.platform import Platform

CHANNELS, AT = ["app", "shop", "web"], datetime(2024, 4, 29, tzinfo=UTC)


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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    made = Platform(encoded(), tmp_path_factory.mktemp("built"))
    made.run("source", "features", tags=WEEKS)
    made.run("online", "training_set", "candidate", "champion")
    return made


def body(rows: pl.DataFrame) -> dict[str, Any]:
    shapes = {"user_id": ("INT64", []), "channel": ("BYTES", []), "mood": ("FP64", [3])}
    tensors = [
        {"name": name, "datatype": kind, "shape": [rows.height, *width], "data": rows[name].to_list()}
        for name, (kind, width) in shapes.items()
    ]
    return {"inputs": tensors, "parameters": {"at": AT.isoformat()}}


def logged(model: ServedModel) -> pl.DataFrame:
    """The rows of the last request."""
    (file,) = spooled_files(model.plan.spool, PREDICTIONS)[-1:]
    *_, (_, line) = read_lines(file, 0)
    return prediction_rows(json.loads(line))


def test_a_request_is_answered_as_a_row_of_a_table_is(built: Platform) -> None:
    client, model = built.serve()
    artifact = built.environment.registry.download(built.environment.registry.versions("shop.comes_again")[-1])
    scorer = load_scorer(artifact)
    assert scorer.encoding.inputs == (
        "spend_7d", "spend_28d", "spend_share", "channel", "mood", "on_web", "mood_mean", "user_id",
    )  # fmt: skip
    assert json.loads((artifact / "encoders.json").read_text())["channel"]["values"] == CHANNELS
    channels, moods = ["web", "pigeon", "app"], [[1.0, 2.0, 3.0], [0.5, 0.0, -1.0], [0.0, 0.0, 0.0]]
    asked = pl.DataFrame({"user_id": [1, 2, 9999], "channel": channels, "mood": moods})
    for rows in (asked, asked.head(1)):
        answered = client.post("/v2/models/score/infer", json=body(rows))
        assert answered.status_code == 200, answered.text
        table = logged(model)
        assert table["channel"].to_list() == channels[: rows.height]
        assert table["mood"].to_list() == moods[: rows.height]
        assert table["on_web"].to_list() == [1.0, 0.0, 0.0][: rows.height]
        expected = scorer.predict(scorer.encoding.matrix(table))
        assert np.allclose(answered.json()["outputs"][0]["data"], expected, atol=1e-6)
    model.probe()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": [2, 2], "data": [[1.0, 2.0], [1.0, 2.0]]}, r"Input 'mood': a list has 2 numbers where mlp.Vector"),
        (
            {"shape": [2], "data": [1.0, 2.0]},
            r"Input 'mood' has shape \[2\]. Send shape \[rows, numbers of each list\]",
        ),
        ({"shape": [2, 3], "data": [[1.0, 2.0], [1.0]]}, "Send 2 lists of 3 numbers"),
        ({"shape": [2, 3], "data": [["a", 1.0, 2.0]] * 2}, "Send finite numbers"),
        ({"shape": [2, 10**30], "data": [[1.0]]}, "and other data"),
        ({"shape": [True, 3], "data": [[1.0, 2.0, 3.0]]}, r"shape\[0\]: Expected int, got bool"),
    ],
)
def test_a_list_that_is_wrong_is_refused(built: Platform, change: dict[str, Any], told: str) -> None:
    client, _ = built.serve()
    asked = body(pl.DataFrame({"user_id": [1, 2], "channel": ["web", "app"], "mood": [[1.0, 2.0, 3.0]] * 2}))
    asked["inputs"][2] |= change
    answered = client.post("/v2/models/score/infer", json=asked)
    assert answered.status_code == 422
    assert re.search(told, answered.json()["error"]), answered.text


def test_the_endpoint_says_how_to_ask_it(built: Platform) -> None:
    client, model = built.serve()
    inputs = {one["name"]: one for one in client.get("/v2/models/score").json()["inputs"]}
    assert inputs["mood"] == {"name": "mood", "datatype": "FP64", "shape": [-1, 3]}
    assert client.post("/v2/models/score/infer", json=example_request(model.plan)).status_code == 200


def test_the_candidate_shows_each_input_and_is_made_again_alike(built: Platform) -> None:
    version = built.environment.registry.versions("shop.comes_again")[-1]
    card = json.loads(built.environment.registry.document(version, "report.json"))
    assert {one["feature"] for one in card["importance"]} >= {"mood", "channel", "user_id"}
    again = reproduce_version(built.project, built.project.models[0], version.version, environment=built.environment)
    assert again.weights.same


def test_a_monitor_watches_numbers_and_categories(built: Platform) -> None:
    client, _ = built.serve()
    users = range(shop.USERS)
    asked = {"user_id": users, "channel": ["web"] * len(users), "mood": [[1.0, 2.0, 3.0]] * len(users)}
    assert client.post("/v2/models/score/infer", json=body(pl.DataFrame(asked))).status_code == 200
    built.run("predictions", "feedback", "drift", "estimated_performance", "realised_performance", "alarms")
    lake = built.environment.lake
    drift = lake.scan(Table("shop", "drift", "health")).collect()
    numbers = {"spend_7d", "spend_28d", "spend_share", "on_web", "mood_mean", "prediction"}
    assert set(drift["feature"]) == {*numbers, "channel"}
    now = drift.filter(pl.col("window") == f"{AT:%Y-%m-%d}", pl.col("method") == "jensen_shannon")
    distances = dict(now.select("feature", "value").iter_rows())
    assert distances["channel"] > 0.4  # all of them came from the web
    assert distances["channel"] == pytest.approx(distances["on_web"], abs=0.15)
    predicted = lake.scan(Table("shop", "predictions", "score")).filter(pl.col("user_id") == 3).collect()
    assert predicted["mood"].to_list()[-1] == [1.0, 2.0, 3.0]


def test_encoders_that_do_not_fit_are_told_together() -> None:
    project = encoded()
    (model,) = project.models
    encode = {
        "chanel": mlp.Categories(),
        "mood": mlp.Categories(min_rows=0),
        "spend_7d": mlp.Vector(0),
        "user_id": mlp.Vector(2),
    }
    object.__setattr__(model, "encode", encode)
    told = " ".join(str(problem) for problem in model.linked_problems())
    for part in (
        "Did you mean 'channel'?",
        "min_rows=0 is too few",
        "size=0 is too small",
        "Vector does not fit a column of pl.Int64",
        "Write encode={'channel': mlp.Categories()}",
    ):
        assert part in told, told
