"""An endpoint of a model that itself takes no missing values: it deploys, answers whole rows and refuses the others."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mlp_assets.artifact.formats.scorer import Refusals
from mlp_assets.artifact.manifest import artifact_digest, write_manifest
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_resources.online.open_view import open_view
from tests.support.doubling_endpoint import INFER, plan, request


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    written = plan(tmp_path)
    artifact = tmp_path / "artifact"
    refusals = Refusals(missing=("spend",), beyond=1e30)
    write_manifest(
        artifact,
        format="onnx",
        file="model.onnx",
        features=("spend", "hour"),
        task="regression",
        refusals=refusals,
    )
    written["model"] |= {"digest": artifact_digest(artifact)}
    model = ServedModel(ServingPlan.from_json(written), open_view)
    model.probe()
    return TestClient(create_app(lambda: model))


def test_whole_rows_are_answered_and_others_are_refused(client: TestClient) -> None:
    assert client.post(INFER, json=request([1], [5])).json()["outputs"][0]["data"] == [20.0]
    refused = client.post(INFER, json=request([1, 99], [5, 5]))
    assert refused.status_code == 422
    assert refused.json()["error"] == (
        "Row 1 gives no finite prediction. The model takes no missing value in spend and no number beyond 1e+30."
    )
    assert client.post(INFER, json=request([1], [1e31])).status_code == 422
