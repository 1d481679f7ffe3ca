"""Predictions of a model after export and loading, on rows that all frameworks can learn from."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.training.export import export
from mlp_assets.training.part_rows import PartRows

FEATURES = ("a", "b", "c")
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(400, 3)).astype(np.float32)
GAPS = np.where(DRAW.random(X.shape) < 0.2, np.nan, X).astype(np.float32)
Y = X[:, 0] - X[:, 1] ** 2
CLASS = (Y.mean() < Y).astype(int)
KINDS = ("low", "middle", "high")
KIND = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))


def run_of(folder: Path, task: str, x: np.ndarray = X) -> mlp.TrainingRun:
    rows = pl.DataFrame({name: x[:, n] for n, name in enumerate(FEATURES)} | {"y": Y}).with_columns(
        pl.lit("validation").alias("split")
    )
    rows.write_delta(str(folder / "table"))
    part = mlp.Split(PartRows(str(folder / "table"), 0, "validation", Encoding(FEATURES), "y"))
    return mlp.TrainingRun(part, part, Encoding(FEATURES), "y", task, 0, {}, 0, 1, folder, str(folder / "checkpoints"))


def answers(folder: Path, model: Any, task: str, x: np.ndarray = X) -> np.ndarray:
    """The exported model's predictions of all rows; checks that a row alone is predicted the same."""
    classes = KINDS if task == "multiclass" else ()
    digest = export(replace(run_of(folder, task, x), classes=classes), model, folder / "artifact")
    scorer = load_scorer(folder / "artifact", digest)
    assert scorer.encoding == Encoding(FEATURES)
    assert scorer.facts.classes.values == classes
    together = scorer.predict(x.astype(np.float64))
    assert together.shape == ((len(x), len(KINDS)) if classes else (len(x),))
    assert scorer.predict(x[:1].astype(np.float64)) == pytest.approx(together[:1], abs=1e-6)
    return together


class Nearest:
    """Predicts the value of the nearest point by the first feature: a model of no framework."""

    def __init__(self, points: np.ndarray, values: np.ndarray) -> None:
        self.points, self.values = points, values

    def save(self, folder: Path) -> None:
        np.save(folder / "points.npy", np.stack([self.points, self.values]))
        (folder / "about.json").write_text(json.dumps({"points": len(self.points)}))

    @classmethod
    def load(cls, folder: Path) -> "Nearest":
        return cls(*np.load(folder / "points.npy"))

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return self.values[np.abs(matrix[:, :1] - self.points).argmin(axis=1)]


def near(kind: type[Nearest] = Nearest) -> Nearest:
    return kind(np.linspace(-1, 1, 9), np.arange(9.0))
