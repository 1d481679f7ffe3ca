"""The endpoint's HTTP: right answers, right refusals, and never a status 500."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mlp_assets.artifact.manifest import ArtifactError, load_scorer
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.spool import PREDICTIONS, spooled_files
from mlp_resources.online.open_view import open_view
from tests.support.doubling_endpoint import (
    HEADERS,
    INFER,
    doubling_model,
    json_values,
    outputs,
    plan,
    request,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    model = ServedModel(ServingPlan.from_json(plan(tmp_path_factory.mktemp("serving"))), open_view)
    with TestClient(create_app(lambda: model), raise_server_exceptions=False) as made:
        made.spool = model.plan.spool  # type: ignore[attr-defined]
        yield made


def test_known_expired_and_unknown_entities(client: TestClient) -> None:
    answer = client.post(INFER, json=request([1, 2, 3], [5, 6, 7], id="call-1"))
    assert answer.status_code == 200
    assert answer.json()["model_version"] == "3"
    assert answer.json()["id"] == "call-1"
    assert outputs(answer)["prediction"] == [20.0, 0.0, 0.0]
    assert outputs(answer)["degraded"] == [False, True, True]


def test_a_prediction_is_spooled_before_it_is_answered(client: TestClient) -> None:
    answer = client.post(INFER, json=request([1, 2], [5, 6]))
    found = [read_rows(file, 0, PREDICTIONS) for file in spooled_files(client.spool, PREDICTIONS)]  # type: ignore[attr-defined]
    rows = pl.concat(frame for frame, _ in (part for part in found if part is not None))
    mine = rows.filter(pl.col("prediction_id").is_in(outputs(answer)["prediction_id"]))
    assert mine.select("user_id", "spend", "hour", "prediction", "expired_views").rows() == [
        (1, 10.0, 5.0, 20.0, ""),
        (2, None, 6.0, 0.0, "spending"),
    ]
    assert mine["model_version"].to_list() == ["3", "3"]


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 400, "not JSON"),
    "a list": (b"[]", 400, "not a JSON object"),
    "NaN": (json.dumps(request([1], [float("nan")])).encode(), 400, "NaN is not JSON"),
    "infinite": (json.dumps(request([1], [5])).replace("[5]", "[1e999]").encode(), 422, "finite numbers"),
    "bad UTF-8": (b'{"inputs": "\xff"}', 400, "not UTF-8"),
    "a name twice": (b'{"inputs": [], "inputs": []}', 400, "'inputs' occurs twice"),
    "deep": (b'{"inputs":' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400, "nested too deeply"),
    "a nested name twice": (b'{"inputs": [{"name": "hour", "name": "user_id"}]}', 400, "'name' occurs twice"),
    "a name that is not Unicode": (b'{"\\ud800": 1}', 400, "not Unicode"),
    "an input that is no object": (b'{"inputs": [1]}', 400, "inputs[0]: Expected object, got int"),
    "parameters that are no object": (
        json.dumps(request([1], [1], parameters=[1])).encode(),
        422,
        "parameters: Expected object",
    ),
    "one wrong value of many": (json.dumps(request([1, "a"], [1, 2])).encode(), 422, "holds 'a' in row 1"),
    "no inputs": (b"{}", 400, "missing required field inputs"),
    "unknown input": (json.dumps({"inputs": [{"name": "usr_id"}]}).encode(), 422, "Did you mean 'user_id'?"),
    "missing input": (json.dumps({"inputs": request([1], [1])["inputs"][:1]}).encode(), 422, "['hour'] are missing"),
    "mistyped": (json.dumps(request(["one"], [1])).encode(), 422, "Send whole 64-bit numbers"),
    "a truth for a number": (json.dumps(request([True], [1])).encode(), 422, "Send whole 64-bit numbers"),
    "too large a number": (json.dumps(request([2**63], [1])).encode(), 422, "Send whole 64-bit numbers"),
    "null": (json.dumps(request([1], [None])).encode(), 422, "finite numbers"),
    "unequal rows": (json.dumps(request([1, 2], [1])).encode(), 422, "different numbers of rows"),
    "no rows": (json.dumps(request([], [])).encode(), 422, "at least one"),
    "too many rows": (json.dumps(request([1] * 1001, [1] * 1001)).encode(), 413, "at most 1000"),
    "too many bytes": (b" " * 200_000, 413, "over 100000 bytes"),
    "unknown output": (
        json.dumps(request([1], [1], outputs=[{"name": "predictions"}])).encode(),
        422,
        "Ask for some of ['prediction', 'prediction_id', 'degraded', 'reasons']",
    ),
    "an id that is not Unicode": (json.dumps(request([1], [1], id="\ud800")).encode(), 422, "Send Unicode text"),
    "a long id": (json.dumps(request([1], [1], id="x" * 201)).encode(), 422, "at most 200 characters"),
    "a shape that is not Unicode": (
        json.dumps({"inputs": [request([1], [1])["inputs"][0] | {"shape": "\ud800"}]}).encode(),
        400,
        "not Unicode",
    ),
    "a shape that is no list": (
        json.dumps({"inputs": [request([1], [1])["inputs"][0] | {"shape": 1}]}).encode(),
        422,
        "inputs[0].shape: Expected array",
    ),
    "bad time": (json.dumps(request([1], [1], parameters={"at": "soon"})).encode(), 422, "is not a time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_refused_with_what_to_send(client: TestClient, case: str) -> None:
    body, status, sentence = REFUSED[case]
    answer = client.post(INFER, content=body, headers=HEADERS)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert client.post(INFER, json=request([1], [1])).status_code == 200


def test_a_version_may_be_named_and_must_be_the_live_one(client: TestClient) -> None:
    assert client.post("/v2/models/score/versions/3/infer", json=request([1], [5])).status_code == 200
    assert client.get("/v2/models/score/versions/3/ready").json()["ready"]
    refused = client.post("/v2/models/score/versions/2/infer", json=request([1], [5]))
    assert refused.status_code == 404
    assert refused.json()["error"].startswith("Version '2' of 'score' is not live. Version '3' is.")


def test_only_the_outputs_asked_for_are_sent(client: TestClient) -> None:
    answer = client.post(INFER, json=request([1], [5], outputs=[{"name": "prediction"}]))
    assert outputs(answer) == {"prediction": [20.0]}


def test_other_refusals(client: TestClient) -> None:
    assert client.post(INFER, content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    wrong_method = client.get(INFER)
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert client.get("/nothing").json()["error"].startswith("There is nothing at /nothing")
    assert client.post("/v2/models/other/infer", json={}).status_code == 404


def test_health_metadata_openapi_docs_and_feedback(client: TestClient) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/score").json()["inputs"][0] == {"name": "user_id", "datatype": "INT64", "shape": [-1]}
    assert "/score/v2/models/score/infer" in client.get("/openapi.json").json()["paths"]
    assert "curl" in client.get("/docs").text
    feedback = client.post("/v2/models/score/feedback", json={"prediction_id": ["a-0"], "label": [1]})
    assert (feedback.status_code, feedback.json()) == (202, {"accepted": 1})
    assert client.post("/v2/models/score/feedback", json={"prediction_id": ["a"], "label": []}).status_code == 422


tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["user_id", "hour"]) | json_values,
        "datatype": st.sampled_from(["INT64", "FP64", "BYTES"]) | json_values,
        "shape": st.just([1]) | json_values,
        "data": st.lists(st.integers() | st.floats() | json_values, max_size=2) | json_values,
    },
)


@given(
    st.fixed_dictionaries(
        {"inputs": st.lists(tensors, max_size=3) | json_values},
        optional={"parameters": json_values, "outputs": json_values, "id": json_values},
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_causes_an_error_of_the_server(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post(INFER, content=json.dumps(body).encode("utf-8", "surrogatepass"), headers=HEADERS)
    assert answer.status_code in (200, 400, 413, 422)


@pytest.mark.parametrize("change", ["bytes", "manifest", "stray", "format", "path"])
def test_a_changed_artifact_is_refused_before_it_is_loaded(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "artifact"
    digest = doubling_model(folder)
    assert load_scorer(folder, digest).predict(np.array([[1.5, 0.0]])).tolist() == [3.0]
    manifest = json.loads((folder / "model.json").read_text())
    if change == "bytes":
        data = bytearray((folder / "model.onnx").read_bytes())
        data[40] ^= 1
        (folder / "model.onnx").write_bytes(bytes(data))
    elif change == "stray":
        (folder / "code.py").write_text("")
    else:
        manifest |= {"manifest": {"task": "binary"}, "format": {"format": "pickle"}, "path": {"file": "../model.onnx"}}[
            change
        ]
        (folder / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError):
        load_scorer(folder, digest)
