"""PyTorch modules, as ONNX."""

import sys
from pathlib import Path
from typing import Any

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Inputs, Stored
from mlp_assets.training.sharded_state import is_sharded

_FILE = "model.onnx"


def _unwrap(module: Any) -> Any:
    """The module without the wrappers of Accelerate. Raises ExportError for a shard of a model."""
    if is_sharded(module):
        raise ExportError(
            "train returned a model of which each process has a shard. Make a new network in every process, fill it "
            "with network.load_state_dict(run.whole(model)), and return it."
        )
    return module if "accelerate" not in sys.modules else _unwrap_parts(module)


def _unwrap_parts(module: Any) -> Any:
    """Unwraps the module and its parts, so that all are served in the precision of their weights."""
    from accelerate.utils import extract_model_from_parallel

    inner = extract_model_from_parallel(module, keep_fp32_wrapper=False)
    for name, child in inner.named_children():
        plain = _unwrap_parts(child)
        if plain is not child:
            setattr(inner, name, plain)
    return inner


class Torch:
    """A module from float32 (rows, features) to (rows,), (rows, 1) or (rows, classes), moved to the processor."""

    def owns(self, model: Any) -> bool:
        torch = sys.modules.get("torch")  # a module exists only once torch is imported
        return torch is not None and isinstance(model, torch.nn.Module)

    def store(self, model: Any, rows: Inputs, task: Task, directory: Path) -> Stored:
        import torch

        model = _unwrap(model).eval().cpu()
        torch.onnx.export(
            model,
            (torch.from_numpy(rows[:2].copy()),),
            str(directory / _FILE),
            input_names=["features"],
            output_names=["prediction"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        with torch.no_grad():
            return Stored("onnx", _FILE, model(torch.from_numpy(rows)).numpy())
