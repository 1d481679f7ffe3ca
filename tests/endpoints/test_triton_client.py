"""NVIDIA's HTTP client, which was written for another server of the protocol."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.support.live_endpoint import listening


@pytest.fixture
def client(tmp_path: Path) -> Iterator[InferenceServerClient]:
    with listening(tmp_path) as address:
        made = InferenceServerClient(address)
        yield made
        made.close()


def inputs(*, binary: bool = False) -> list[InferInput]:
    given = {"user_id": np.array([1, 3], dtype=np.int64), "hour": np.array([5.0, 6.0])}
    tensors = [InferInput(name, [2], {"i": "INT64", "f": "FP64"}[values.dtype.kind]) for name, values in given.items()]
    for tensor, values in zip(tensors, given.values(), strict=True):
        tensor.set_data_from_numpy(values, binary_data=binary)
    return tensors


def test_health_and_metadata(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("score")
    assert client.is_model_ready("score", "3")
    assert not client.is_model_ready("score", "2")
    assert client.get_server_metadata()["name"] == "mlp-assets"
    assert client.get_model_metadata("score")["versions"] == ["3"]


def test_infer(client: InferenceServerClient) -> None:
    at = {"at": "2024-05-10T00:00:00Z"}
    answer = client.infer("score", inputs(), request_id="call-1", parameters=at)
    assert answer.as_numpy("prediction").tolist() == [20.0, 0.0]
    assert answer.as_numpy("degraded").tolist() == [False, True]
    assert answer.get_response()["id"] == "call-1"
    wanted = [InferRequestedOutput("prediction", binary_data=False)]
    answer = client.infer("score", inputs(), model_version="3", outputs=wanted, parameters=at)
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["prediction"]


def test_binary_tensors_are_refused_with_what_to_send(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="binary_data=False"):
        client.infer("score", inputs(binary=True))
