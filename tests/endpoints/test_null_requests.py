"""A number of the request may be null where training saw nulls, and means there what it meant in training."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.protocol import parse_infer
from mlp_assets.endpoints.replica.request_values import ProtocolError
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, weeks

SENT = {"hour": "FP64", "floor": "INT64"}


def read_outcomes(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    user = pl.col("user_id")
    hour = pl.when(user % 10 != 0).then((user % 24).cast(pl.Float64))
    return shop.read_outcomes(window, purchases).with_columns(hour=hour, floor=user % 3)


def project() -> mlp.Project:
    purchases, outcomes = shop.ingested()
    columns = {**outcomes.columns, "hour": pl.Float64, "floor": pl.Int64}
    asked = replace(outcomes, read=read_outcomes, inputs=[purchases], columns=columns)
    (monitor,) = shop.make(sources=(purchases, asked)).monitors
    model = monitor.watches.model
    history = replace(model.training_set, request=["hour", "floor"])
    endpoint = mlp.Endpoint("score", model=replace(model, training_set=history))
    return mlp.Project("shop", owner="team:shop", assets=[endpoint])


def body(users: list[int], hours: list[float | None], floors: list[int | None]) -> dict[str, Any]:
    columns = {"user_id": ("INT64", users), "hour": ("FP64", hours), "floor": ("INT64", floors)}
    return {
        "inputs": [
            {"name": name, "datatype": kind, "shape": [len(data)], "data": data}
            for name, (kind, data) in columns.items()
        ],
        "parameters": {"at": (shop.DEPLOYED + timedelta(hours=9)).isoformat()},
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestClient, Platform]:
    made = Platform(project(), tmp_path_factory.mktemp("home"))
    made.run("source", "features", tags=weeks("2024-01-01", "2024-03-25"))
    made.run("online", "training_set", "candidate", "champion")
    client, model = made.serve()
    assert model.plan.nullable == ("hour",)
    return client, made


def test_a_null_is_answered_as_one_in_training(served: tuple[TestClient, Platform]) -> None:
    client, made = served
    path = "/v2/models/score/infer"
    null = client.post(path, json=body([10, 11], [None, 11.0], [1, 2]))
    assert null.status_code == 200, null.text
    alone = client.post(path, json=body([10], [None], [1]))
    answers = [answer.json()["outputs"][0]["data"] for answer in (null, alone)]
    assert answers[0][0] == answers[1][0]
    model = made.project.models[0]
    live = made.environment.registry.versions("shop.comes_again")[0]
    scorer = load_scorer(made.environment.registry.download(live), live.digest)
    spending = made.environment.lake.scan(Table("shop", "features", "spending")).filter(pl.col("user_id") == 10)
    row = spending.sort("event_time").last().collect().with_columns(hour=pl.lit(None, pl.Float64), floor=pl.lit(1.0))
    expected = scorer.predict(scorer.encoding.matrix(row.select(model.inputs)))
    assert answers[1] == expected.tolist()


def test_a_null_where_training_saw_none_is_refused(served: tuple[TestClient, Platform]) -> None:
    refused = served[0].post("/v2/models/score/infer", json=body([10], [None], [None]))
    assert refused.status_code == 422
    assert "Input 'floor' holds 'None'. Send whole 64-bit numbers." in refused.json()["error"]


@pytest.mark.parametrize("data", [[[1, 2], []], [[1], [2, 3]], [[1], 2]])
def test_nested_data_has_one_value_a_row(data: list[Any]) -> None:
    tensor = {"name": "user_id", "datatype": "INT64", "shape": [2], "data": data}
    with pytest.raises(ProtocolError):
        parse_infer(json.dumps({"inputs": [tensor]}).encode(), {"user_id": "Int64"}, 10)
    whole = tensor | {"data": [[1], [2]], "shape": [2, 1]}
    assert parse_infer(json.dumps({"inputs": [whole]}).encode(), {"user_id": "Int64"}, 10).rows == 2
