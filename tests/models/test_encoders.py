"""A model of texts, lists and keys: encoded as the training rows tell, in training, judging and serving."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.openapi import example_request
from mlp_assets.endpoints.replica.prediction_log import prediction_rows
from mlp_assets.endpoints.replica.spool import PREDICTIONS, read_lines, spooled_files
from mlp_assets.platform import reproduce_version
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.champions import WEEKS, with_features
from tests.support.encoded_shop import CHANNELS, encoded
from tests.support.other_program import predict_elsewhere
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

AT = datetime(2024, 4, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, snapshots: Snapshots) -> Platform:
    made = with_features(snapshots, tmp_path_factory.mktemp("built"), encoded())
    made.run("source", tags=WEEKS)
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


def test_a_program_without_the_platform_gets_the_answers_of_the_endpoint(built: Platform, tmp_path: Path) -> None:
    client, model = built.serve()
    users = [*range(30, 50), 9999]
    channels = ["web", "app", "pigeon"] * 7
    moods = [[user / 10, 1.0, -user / 7] for user in range(21)]
    asked = pl.DataFrame({"user_id": users, "channel": channels, "mood": moods})
    answered = client.post("/v2/models/score/infer", json=body(asked)).json()["outputs"][0]["data"]
    rows = logged(model).select(built.project.models[0].inputs)
    assert rows["spend_7d"].null_count() > 0
    registry = built.environment.registry
    found = predict_elsewhere(registry.tracking_uri, "models:/shop.comes_again@champion", rows, tmp_path)  # type: ignore[attr-defined]
    assert found["prediction"] == answered
    assert found["platform"].endswith("mlp_assets.zip/mlp_assets/__init__.py")


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_a_list_that_is_wrong_is_refused(built: Platform, change: dict[str, Any], message: str) -> None:
    client, _ = built.serve()
    asked = body(pl.DataFrame({"user_id": [1, 2], "channel": ["web", "app"], "mood": [[1.0, 2.0, 3.0]] * 2}))
    asked["inputs"][2] |= change
    answered = client.post("/v2/models/score/infer", json=asked)
    assert answered.status_code == 422
    assert re.search(message, answered.json()["error"]), answered.text


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
    messages = " ".join(str(problem) for problem in model.linked_problems())
    for part in (
        "Did you mean 'channel'?",
        "min_rows=0 is too few",
        "size=0 is too small",
        "Vector does not fit a column of pl.Int64",
        "Write encode={'channel': mlp.Categories()}",
    ):
        assert part in messages, messages
