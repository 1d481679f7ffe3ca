"""Feedback over HTTP: what is accepted can be drained, whatever was sent."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.openapi import openapi
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.spool import FEEDBACK, PREDICTIONS, count_set_aside, spooled_files
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.open_view import open_view
from tests.support.doubling_endpoint import AT, HEADERS, INFER, json_values, outputs, plan, request, texts

PATH = "/v2/models/score/feedback"


def served(folder: Path, **changes: Any) -> tuple[TestClient, ServedModel]:
    model = ServedModel(ServingPlan.from_json(plan(folder, **changes)), open_view)
    return TestClient(create_app(lambda: model), raise_server_exceptions=False), model


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestClient, ServedModel]:
    return served(tmp_path_factory.mktemp("binary"), task="binary")


def spooled_rows(model: ServedModel, kind: str) -> list[dict[str, Any]]:
    found = [read_rows(file, 0, kind) for file in spooled_files(model.plan.spool, kind)]
    return [row for part in found if part is not None for row in part[0].to_dicts()]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "not Unicode": ({"prediction_id": ["\ud800"], "label": [1]}, "Send Unicode text"),
    "a long id": ({"prediction_id": ["x" * 201], "label": [1]}, "at most 200 characters"),
    "an empty id": ({"prediction_id": [""], "label": [1]}, "that an infer response gave"),
    "a number for an id": ({"prediction_id": [1], "label": [1]}, "Send Unicode text"),
    "neither 0 nor 1": ({"prediction_id": ["a"], "label": [7.0]}, "'label' holds 7.0. Labels of a binary model"),
    "a probability": ({"prediction_id": ["a"], "label": [0.5]}, "1 or 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_feedback_that_cannot_be_used_is_refused_with_what_to_send(
    binary: tuple[TestClient, ServedModel], case: str
) -> None:
    body, sentence = REFUSED[case]
    answer = binary[0].post(PATH, content=json.dumps(body), headers=HEADERS)
    assert (answer.status_code, sentence in answer.json()["error"]) == (422, True), answer.text


def test_a_regression_takes_any_label_and_a_binary_model_only_0_and_1(
    binary: tuple[TestClient, ServedModel], tmp_path: Path
) -> None:
    client, model = served(tmp_path)
    labels = {"prediction_id": ["a-0", "a-1"], "label": [7.0, -1]}
    assert client.post(PATH, json=labels).status_code == 202
    assert [row["label"] for row in spooled_rows(model, FEEDBACK)] == [7.0, -1.0]
    schema = openapi(binary[1].plan)["paths"]["/score/v2/models/score/feedback"]["post"]["requestBody"]
    label = schema["content"]["application/json"]["schema"]["properties"]["label"]
    assert label == {"type": "array", "items": {"enum": [0, 1]}}
    assert binary[0].post(PATH, json=labels | {"label": [0, 1.0]}).status_code == 202


def test_true_and_false_are_labels_where_labels_are_numbers(binary: tuple[TestClient, ServedModel]) -> None:
    client, model = binary
    body = {"prediction_id": ["true", "false"], "label": [True, False]}
    assert client.post(PATH, json=body).status_code == 202
    found = {row["prediction_id"]: row["label"] for row in spooled_rows(model, FEEDBACK)}
    assert (found["true"], found["false"]) == (1.0, 0.0)


@given(
    st.fixed_dictionaries(
        {"prediction_id": st.lists(texts | json_values, max_size=2), "label": st.lists(st.sampled_from([0, 1, 7.5]))}
    )
    | st.dictionaries(st.sampled_from(["prediction_id", "label"]), json_values)
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_accepted_label_becomes_a_row(binary: tuple[TestClient, ServedModel], body: dict[str, Any]) -> None:
    client, model = binary
    before = len(spooled_rows(model, FEEDBACK))
    answer = client.post(PATH, content=json.dumps(body), headers=HEADERS)
    assert answer.status_code in (202, 400, 422)
    accepted = answer.json()["accepted"] if answer.status_code == 202 else 0
    assert len(spooled_rows(model, FEEDBACK)) == before + accepted
    assert count_set_aside(model.plan.spool, FEEDBACK) == 0


def test_an_infinite_feature_is_missing(tmp_path: Path) -> None:
    client, model = served(tmp_path)
    rows = [{"user_id": 1, "spend": math.inf, "event_time": AT}, {"user_id": 2, "spend": math.nan, "event_time": AT}]
    frame = pl.DataFrame(rows)
    LmdbOnlineStore(tmp_path).publish(str(tmp_path / "view"), ["user_id"], ["spend"], frame, version=2)
    answer = client.post(INFER, json=request([1, 2], [5, 6]))
    assert (answer.status_code, outputs(answer)["prediction"]) == (200, [0.0, 0.0])
    assert [row["spend"] for row in spooled_rows(model, PREDICTIONS)] == [None, None]
    assert [json.loads(row["view_versions"]) for row in spooled_rows(model, PREDICTIONS)] == [{"spending": 2}] * 2
