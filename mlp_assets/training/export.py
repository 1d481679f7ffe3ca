"""Exports a fitted model to a folder that is served without unpickling, and checks that it predicts the same."""

import contextlib
import inspect
from pathlib import Path
from typing import Any

from mlp_assets.artifact.formats.scorer import Refusals, Scorer
from mlp_assets.artifact.manifest import load_scorer, write_manifest
from mlp_assets.errors import MlpError
from mlp_assets.nouns.task import Task
from mlp_assets.training.comparison import Comparison
from mlp_assets.training.frameworks.framework import ExportError, Framework, Inputs, Stored, first_line, shown_type
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
    stored = _framework_of(model).store(model, run.encoding.columns, Task.of(run.task), directory)
    try:
        return _write_compared(run, model, stored, directory, rows)
    except ExportError:
        if stored.write_again is None:
            raise
        with contextlib.suppress(ExportError):  # the first reason is the one to tell
            stored.write_again()
            return _write_compared(run, model, stored, directory, rows)
        raise


def _write_compared(run: TrainingRun, model: Any, stored: Stored, directory: Path, rows: Inputs) -> str:
    digest = _write(run, stored, directory, Refusals())
    refusals = Comparison(_load(directory), stored.predict, shown_type(model)).check(
        rows, run.train.head(_ROWS_COMPARED)
    )
    return _write(run, stored, directory, refusals) if refusals else digest


def _write(run: TrainingRun, stored: Stored, directory: Path, refusals: Refusals) -> str:
    return write_manifest(
        directory,
        format=stored.format,
        file=stored.file,
        features=run.encoding.inputs,
        task=run.task,
        loader=stored.loader,
        encoders=run.encoding.encoders,
        classes=run.classes,
        refusals=refusals,
    )


def _load(directory: Path) -> Scorer:
    try:
        return load_scorer(directory)
    except MlpError:
        raise
    except Exception as error:  # each library has its own
        raise ExportError(
            f"The stored model cannot be loaded: {first_line(error)}. A network in half precision is served in single "
            "precision: return network.float(). Otherwise write the model as an mlp.OwnModel."
        ) from error


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
