"""PyTorch modules, as ONNX."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Stored, first_line, shown_type
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

    def store(self, model: Any, columns: Sequence[str], task: Task, directory: Path) -> Stored:
        import torch

        model = _unwrap(model).eval().cpu()
        example = torch.zeros((2, len(columns)))
        _check_output(model, example, task)
        if _output(model, example).dtype in (torch.float16, torch.bfloat16):
            model = _in_single_precision(model)
        _export(model, example, directory / _FILE)
        return Stored("onnx", _FILE, lambda rows: _output(model, torch.from_numpy(rows)).double().numpy())


def _output(model: Any, rows: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(rows)


def _check_output(model: Any, example: Any, task: Task) -> None:
    import torch

    try:
        output = _output(model, example)
    except Exception as error:  # whatever the network's code raises
        raise ExportError(
            f"The network {shown_type(model)} does not take float32 rows of {example.shape[1]} features: "
            f"{first_line(error)}. It is served with rows as run.train.x gives them, on the processor: return "
            "network.float(), and read the features in forward as run.features lists them."
        ) from error
    if not isinstance(output, torch.Tensor):
        raise ExportError(
            f"The network {shown_type(model)} returns a {type(output).__name__}. It is served by its predictions: "
            "return a module whose forward gives one tensor, (rows,) or (rows, classes)."
        )
    if task.has_classes and not output.is_floating_point():
        raise ExportError(
            f"The network {shown_type(model)} returns {output.dtype}, and the model's task is {task.name!r}, which "
            "needs probabilities. End it with torch.nn.Sigmoid() or, for classes, torch.nn.Softmax(dim=1), without "
            "rounding."
        )


def _in_single_precision(model: Any) -> Any:
    """The module with its output as float32: NumPy has no bfloat16, and a float16 rounds what is served."""
    import torch

    class SinglePrecision(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Any) -> Any:
            return self.inner(x).float()

    return SinglePrecision().eval()


def _export(model: Any, example: Any, file: Path) -> None:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # addressed to developers of exporters
            torch.onnx.export(
                model,
                (example,),
                str(file),
                input_names=["features"],
                output_names=["prediction"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # it raises many kinds, each with its reason
        raise ExportError(
            f"The network {shown_type(model)} cannot be exported to ONNX: {_reason(error)}. Its forward must be free "
            "of branches on values and of a fixed number of rows, and use operators that torch.onnx.export supports. "
            "Change it, or write the model as an mlp.OwnModel."
        ) from error


def _reason(error: BaseException) -> str:
    """The first cause: the exporter's own messages are long advice for its developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
