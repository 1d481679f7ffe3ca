"""Exports a fitted model to a folder that is served without unpickling, and checks that it predicts the same."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from mlp_assets.artifact.manifest import load_scorer, write_manifest
from mlp_assets.nouns.task import Task
from mlp_assets.training.frameworks.framework import ExportError, Framework, Stored, shown_type
from mlp_assets.training.frameworks.lightgbm import Lightgbm
from mlp_assets.training.frameworks.own import Own
from mlp_assets.training.frameworks.sklearn import Sklearn
from mlp_assets.training.frameworks.torch import Torch
from mlp_assets.training.frameworks.xgboost import Xgboost
from mlp_assets.training.run import TrainingRun

# The first match counts. The wrappers of LightGBM and XGBoost derive from scikit-learn's classes, so they come first.
FRAMEWORKS: tuple[Framework, ...] = (Lightgbm(), Xgboost(), Sklearn(), Torch(), Own())
_ROWS_COMPARED = 1000


def export(run: TrainingRun, model: Any, directory: Path) -> str:
    """Writes the artifact, compares its predictions with the model's own, and returns its digest.

    Raises:
        ExportError: this kind of model cannot be served, or the stored model predicts something else.
        ArtifactError: reading a file would run code.
    """
    directory.mkdir(parents=True)
    rows = run.validation.head(_ROWS_COMPARED)
    stored = _framework_of(model).store(model, rows, Task.of(run.task), directory)
    digest = write_manifest(
        directory,
        format=stored.format,
        file=stored.file,
        features=run.encoding.inputs,
        task=run.task,
        loader=stored.loader,
        encoders=run.encoding.encoders,
        classes=run.classes,
    )
    _compare(directory, rows, stored, len(run.classes))
    return digest


def _framework_of(model: Any) -> Framework:
    for framework in FRAMEWORKS:
        if framework.owns(model):
            return framework
    returned = f"a {shown_type(model)}"
    if model is None or inspect.isclass(model):
        returned = "nothing" if model is None else f"the class {model.__qualname__}"
    raise ExportError(
        f"train returned {returned}, which cannot be served without unpickling. Return "
        "a torch.nn.Module, a fitted LightGBM, XGBoost or scikit-learn model, or an object of your own with save, load "
        "and predict (mlp.OwnModel)."
    )


def _compare(directory: Path, rows: Any, stored: Stored, classes: int) -> None:
    own = np.asarray(stored.predictions, dtype=np.float64)
    if own.size != len(rows) * (classes or 1):
        expected = f"a probability of each of the {classes} classes" if classes else "one number"
        raise ExportError(
            f"The model predicts shape {own.shape} for {len(rows)} rows. It has to return {expected} for each row."
        )
    served = load_scorer(directory).predict(rows.astype(np.float64))
    own = own.reshape(served.shape)
    if not np.isfinite(served).all():
        raise ExportError("The stored model gives predictions that are not finite on the validation rows.")
    if classes and (served.min(initial=0.0) < 0 or np.abs(served.sum(axis=1) - 1).max(initial=0.0) > 1e-3):
        raise ExportError(
            "The model does not predict probabilities of the classes, which are 0 or more and sum to 1 in each row. "
            "End it with torch.nn.Softmax(dim=1), or train for them (LightGBM's multiclass, XGBoost's multi:softprob)."
        )
    worst = float(np.max(np.abs(served - own), initial=0.0))
    if worst > 1e-4 * (1.0 + float(np.max(np.abs(own), initial=0.0))):
        raise ExportError(
            f"The stored model's predictions differ from the model's own by up to {worst:.3g}: the "
            "exporter does not support a step of it, or it was not trained on run.train.x as it is (float32). Remove "
            "the step that differs, or write the model as an mlp.OwnModel."
        )
