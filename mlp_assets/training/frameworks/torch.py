"""PyTorch modules, as ONNX."""

import sys
from pathlib import Path
from typing import Any

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Rows, Stored
from mlp_assets.training.sharded import is_sharded

_FILE = "model.onnx"


def _plain(module: Any) -> Any:
    """The module without what Accelerate put around it. Raises ExportError where it is a shard."""
    if is_sharded(module):
        raise ExportError(
            "train returned a model of which each process has a shard. Make a new one in every process, fill it with "
            "network.load_state_dict(run.whole(model)), and return that."
        )
    return module if "accelerate" not in sys.modules else _unwrapped(module)


def _unwrapped(module: Any) -> Any:
    """It and its parts, so that all are served in the precision of their weights."""
    from accelerate.utils import extract_model_from_parallel

    found = extract_model_from_parallel(module, keep_fp32_wrapper=False)
    for name, child in found.named_children():
        plain = _unwrapped(child)
        if plain is not child:
            setattr(found, name, plain)
    return found


class Torch:
    """A module from float32 (rows, features) to (rows,), (rows, 1) or (rows, classes); put on the processor."""

    def owns(self, model: Any) -> bool:
        torch = sys.modules.get("torch")  # who has a module has imported it
        return torch is not None and isinstance(model, torch.nn.Module)

    def store(self, model: Any, rows: Rows, task: Task, directory: Path) -> Stored:
        import torch

        model = _plain(model).eval().cpu()
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
