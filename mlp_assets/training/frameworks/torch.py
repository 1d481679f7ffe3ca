"""PyTorch modules, as ONNX."""

import sys
from pathlib import Path
from typing import Any

from mlp_assets.training.frameworks.framework import Rows, Stored

_FILE = "model.onnx"


class Torch:
    """A module from float32 (rows, features) to (rows,) or (rows, 1); it is put on the processor."""

    def owns(self, model: Any) -> bool:
        torch = sys.modules.get("torch")  # who has a module has imported it
        return torch is not None and isinstance(model, torch.nn.Module)

    def store(self, model: Any, rows: Rows, task: str, directory: Path) -> Stored:
        import torch

        model = model.eval().cpu()
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
