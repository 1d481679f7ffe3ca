"""Serves an endpoint over HTTP for the benchmark of reads: ``python online_http.py FOLDER LOCATION PORT``."""

import sys
from pathlib import Path

import onnx
import uvicorn

from mlp_assets.artifact.manifest import write_manifest
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_resources.online.open_view import open_view


def artifact(folder: Path, features: list[str]) -> str:
    """A minimal ONNX model: the sum of its inputs, ignoring missing ones."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["known"]),
        helper.make_node("ReduceSum", ["known", "axis"], ["prediction"], keepdims=1),
    ]
    values = [
        helper.make_tensor("zero", kind, [], [0.0]),
        helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1]),
    ]
    given = [helper.make_tensor_value_info("features", kind, [None, len(features)])]
    outputs = [helper.make_tensor_value_info("prediction", kind, [None, 1])]
    graph = helper.make_graph(nodes, "sum", given, outputs, values)
    folder.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(folder / "m.onnx")
    )
    return write_manifest(folder, format="onnx", file="m.onnx", features=tuple(features), task="regression")


def main() -> None:
    folder, location, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    features = [f"f{number}" for number in range(10)]
    view = {"name": "view", "keys": ["user_id"], "features": features, "ttl_seconds": 90 * 86_400, "location": location}
    plan = {
        "project": "bench", "endpoint": "score", "route": "/score", "keys": {"user_id": "Int64"}, "request": {},
        "views": [view], "derive": None, "inputs": features, "spool": str(folder / "spool"), "max_rows": 1000,
        "model": {"name": "m", "version": "1", "path": str(folder / "m"), "digest": artifact(folder / "m", features)},
        "max_body_bytes": 1_000_000, "task": "regression", "target": "y", "refuses": [],
    }  # fmt: skip
    model = ServedModel(ServingPlan.from_json(plan), open_view)
    uvicorn.run(create_app(lambda: model), port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
