"""An endpoint whose model doubles a feature: its plan, requests for it, and any JSON that a caller may send."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import polars as pl
from hypothesis import strategies as st

from mlp_assets.artifact.manifest import write_manifest
from mlp_resources.online.lmdb import LmdbOnlineStore

AT = datetime(2024, 5, 1, tzinfo=UTC)
INFER = "/v2/models/score/infer"
HEADERS = {"content-type": "application/json"}
texts = st.text(st.characters(exclude_categories=()), max_size=5)  # lone surrogates too, which JSON can spell
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "data", "shape", "x"]), inner),
    max_leaves=8,
)


def doubling_model(folder: Path) -> str:
    """An ONNX model that answers with twice its first input, and 0 where that is missing."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["prediction"]),
    ]
    values = [
        helper.make_tensor("zero", kind, [], [0.0]),
        helper.make_tensor("weights", kind, [2, 1], [2.0, 0.0]),
    ]
    inputs = [helper.make_tensor_value_info("features", kind, [None, 2])]
    outputs = [helper.make_tensor_value_info("prediction", kind, [None, 1])]
    graph = helper.make_graph(nodes, "doubling", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / "model.onnx"))
    return write_manifest(folder, format="onnx", file="model.onnx", features=("spend", "hour"), task="regression")


def plan(folder: Path, **changes: Any) -> dict[str, Any]:
    artifact = folder / "artifact"
    digest = doubling_model(artifact) if not artifact.exists() else ""
    view = folder / "view"
    rows = pl.DataFrame(
        {"user_id": [1, 2], "spend": [10.0, 20.0], "event_time": [AT, datetime(2023, 1, 1, tzinfo=UTC)]}
    )
    LmdbOnlineStore(Path("online")).publish(str(view), ["user_id"], ["spend"], rows, version=1)
    spending = {"name": "spending", "keys": ["user_id"], "features": ["spend"], "ttl_seconds": 86_400 * 60}
    views = [spending | {"location": str(view)}]
    return {
        "project": "shop", "endpoint": "score", "route": "/score", "keys": {"user_id": "Int64"},
        "request": {"hour": "Float64"}, "views": views, "derive": None, "inputs": ["spend", "hour"],
        "model": {"name": "shop.buys", "version": "3", "path": str(artifact), "digest": digest},
        "spool": str(folder / "spool"), "max_rows": 1000, "max_body_bytes": 100_000, "task": "regression",
        "target": "bought", "refuses": [],
    } | changes  # fmt: skip


def request(users: list[Any], hours: list[Any], **more: Any) -> dict[str, Any]:
    tensors = [
        {"name": "user_id", "datatype": "INT64", "shape": [len(users)], "data": users},
        {"name": "hour", "datatype": "FP64", "shape": [len(hours)], "data": hours},
    ]
    return {"inputs": tensors, "parameters": {"at": "2024-05-10T00:00:00Z"}} | more


def outputs(answer: Any) -> dict[str, list[Any]]:
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}
