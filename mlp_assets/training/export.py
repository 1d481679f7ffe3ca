"""A fitted model -> a folder that is served without unpickling: ONNX or LightGBM's own text."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.engine.artifact import load_scorer, write_manifest
from mlp_assets.spec.errors import MlpError
from mlp_assets.training.run import TrainingRun

_ROWS_COMPARED = 1000


class ExportError(MlpError):
    """What ``train`` returned cannot be served."""


def export(run: TrainingRun, model: Any, directory: Path) -> str:
    """Writes the artifact, compares its predictions with the model's own, and returns its digest.

    Raises:
        ExportError: the kind of model is not served, or the exported model answers differently.
    """
    directory.mkdir(parents=True)
    rows = run.validation.x[:_ROWS_COMPARED]
    kind = type(model).__module__.partition(".")[0]
    booster = getattr(model, "booster_", model)  # of a fitted LGBMClassifier or LGBMRegressor
    if kind == "lightgbm" and hasattr(booster, "save_model"):
        booster.save_model(str(directory / "model.txt"))
        own, form, file = booster.predict(rows.astype(np.float64), num_threads=1), "lightgbm", "model.txt"
    elif _is_module(model):
        own, form, file = _export_torch(model, rows, directory / "model.onnx"), "onnx", "model.onnx"
    else:
        raise ExportError(
            f"train returned a {type(model).__module__}.{type(model).__qualname__}, which cannot be served without "
            "unpickling. Return a torch.nn.Module or a fitted LightGBM model."
        )
    digest = write_manifest(directory, format=form, file=file, features=run.features, task=run.task)
    _compare(load_scorer(directory).predict(rows.astype(np.float64)), np.asarray(own, dtype=np.float64).reshape(-1))
    return digest


def _is_module(model: Any) -> bool:
    try:
        from torch import nn
    except ImportError:
        return False
    return isinstance(model, nn.Module)


def _export_torch(model: Any, rows: np.ndarray, path: Path) -> np.ndarray:
    import torch

    model = model.eval().cpu()
    example = torch.from_numpy(rows[:2].copy())
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["features"],
        output_names=["prediction"],
        dynamic_shapes=({0: torch.export.Dim("rows")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    with torch.no_grad():
        return model(torch.from_numpy(rows)).numpy()


def _compare(served: np.ndarray, own: np.ndarray) -> None:
    if not np.isfinite(served).all():
        raise ExportError("The exported model gives predictions that are not finite on the validation rows.")
    worst = float(np.max(np.abs(served - own), initial=0.0))
    if worst > 1e-4 * (1.0 + float(np.max(np.abs(own), initial=0.0))):
        raise ExportError(f"The exported model's predictions differ from the model's own by up to {worst:.3g}.")
