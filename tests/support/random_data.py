"""Random rows of numbers, missing values, infinities, categories and constant columns, and a training run on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding, FittedCategories, FittedStandardized, FittedVector
from mlp_assets.training.part_rows import PartRows

KINDS = ("high", "low", "middle")
_TRAIN, _VALIDATION = 160, 60
_TEXTS = ["red", "green", "blue", "black"]


@dataclass(frozen=True)
class RandomData:
    """A random set of inputs, and rows of it."""

    seed: int

    @property
    def draw(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @property
    def task(self) -> str:
        return ("binary", "multiclass", "regression")[self.seed % 3]

    @property
    def classes(self) -> tuple[str, ...]:
        return KINDS if self.task == "multiclass" else ()

    @property
    def encoding(self) -> Encoding:
        """Four numbers, of which one may be constant, and at random a category, a scaled number and a vector."""
        draw = self.draw
        some = {
            "shade": FittedCategories(_TEXTS[: draw.integers(1, 5)]),
            "scaled": FittedStandardized(float(draw.normal()), float(draw.uniform(0.5, 3))),
            "place": FittedVector(2),
        }
        chosen = {name: fitted for name, fitted in some.items() if draw.random() < 0.5}
        return Encoding(("a", "b", "flat", *chosen, "z"), chosen)

    def frame(self, number: int, rows: int, *, odd: bool = False) -> pl.DataFrame:
        """The rows of draw ``number``. ``odd`` rows also have what training rows lack: more missing, and infinities."""
        draw, shape = np.random.default_rng((self.seed, number)), self.draw
        gaps = 0.3 if odd else shape.choice([0.0, 0.0, 0.15])
        flat = shape.choice([0.0, 1.0, np.nan])

        def numbers(values: np.ndarray) -> np.ndarray:
            values = np.where(draw.random(rows) < gaps, np.nan, values)
            extreme = draw.choice([np.inf, -np.inf, 1e39, -1e39, 1e30, 3e38, 1e-30, 0.0], rows)
            return np.where(draw.random(rows) < 0.05, extreme, values) if odd else values

        places = draw.normal(size=(rows, 2)).round(1).tolist()
        columns = {
            "a": numbers(draw.normal(size=rows).round(int(shape.integers(0, 4)))),
            "b": numbers(draw.integers(-3, 8, rows).astype(float)),
            "flat": np.full(rows, flat) if not odd else numbers(np.full(rows, flat)),
            "shade": pl.Series(draw.choice([*_TEXTS, "unseen", None], rows).tolist(), dtype=pl.String),
            "scaled": numbers(draw.normal(size=rows)),
            "place": pl.Series([p if draw.random() >= gaps else None for p in places], dtype=pl.List(pl.Float64)),
            "z": numbers(draw.normal(size=rows) * 10.0 ** shape.integers(-3, 4)),
        }
        return pl.DataFrame({name: columns[name] for name in self.encoding.inputs})

    def rows(self, number: int, count: int, *, odd: bool = False) -> np.ndarray:
        """(count, columns) float64, as a request gives them."""
        return self.encoding.matrix(self.frame(number, count, odd=odd))

    def target(self, x: np.ndarray) -> np.ndarray:
        """(rows,) a target that depends on most columns and on what is missing."""
        weights = np.random.default_rng((self.seed, 99)).normal(size=x.shape[1])
        scaled = np.nan_to_num(x, nan=0.7) / (1 + np.abs(np.nan_to_num(x)).max(axis=0))
        score = (scaled * weights).sum(axis=1) + np.random.default_rng((self.seed, 98)).normal(size=len(x)) * 0.1
        if self.task == "regression":
            return score
        cuts = [0.5] if self.task == "binary" else [0.3, 0.7]
        return np.digitize(score, np.quantile(score, cuts))

    def training(self) -> tuple[np.ndarray, np.ndarray]:
        """Float32 rows and their target, as ``run.train`` gives them."""
        x = self.rows(0, _TRAIN).astype(np.float32)
        return x, self.target(x)

    def run(self, folder: Path) -> mlp.TrainingRun:
        """A run whose validation rows are of these inputs."""
        target = pl.Series("y", np.zeros(_VALIDATION))
        rows = self.frame(1, _VALIDATION).with_columns(target, pl.lit("validation").alias("split"))
        rows.write_delta(str(folder / "table"))
        part = mlp.Split(PartRows(str(folder / "table"), 0, "validation", self.encoding, "y"))
        return mlp.TrainingRun(
            part, part, self.encoding, "y", self.task, 0, {}, 0, 1, folder, str(folder / "saved"), classes=self.classes
        )
