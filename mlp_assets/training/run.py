"""What a user's ``train`` function is given."""

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.spec.errors import MlpError


class TrainingDiverged(MlpError):
    """A training logged a loss or metric that is not finite."""


@dataclass(frozen=True)
class Split:
    """One part of the training set.

    ``x`` is float32 (rows, features) with NaN for missing, ``y`` float32 (rows,).
    """

    path: Path
    features: tuple[str, ...]
    target: str
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    @classmethod
    def read(cls, path: Path, features: tuple[str, ...], target: str) -> "Split":
        rows = pl.read_parquet(path, columns=[*features, target])
        x = rows.select(pl.col(list(features)).cast(pl.Float32)).to_numpy(order="c", writable=True)
        return cls(path, features, target, x, rows[target].cast(pl.Float32).to_numpy(writable=True))

    def frame(self) -> pl.DataFrame:
        """All columns, keys and times too."""
        return pl.read_parquet(self.path)


@dataclass(frozen=True)
class TrainingRun:
    """The data, the settings and the log of one training; the same in each of its processes but for ``rank``."""

    train: Split
    validation: Split
    features: tuple[str, ...]
    target: str
    task: str
    seed: int
    params: Mapping[str, Any]
    rank: int
    world_size: int
    folder: Path
    pipes: Any = field(default=None, repr=False)

    def log(self, step: int, **metrics: float) -> None:
        """Logs metrics of a step: live in the web UI, and as curves in the registry. Only rank 0 writes.

        Raises:
            TrainingDiverged: a value is not finite.
        """
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"{name} is {value} at step {step}: the training diverged. Lower the learning rate, clip the "
                    "gradients, or look at the inputs."
                )
        if self.rank != 0:
            return
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **{name: float(value) for name, value in metrics.items()}}) + "\n")
        text = f"step {step}: " + ", ".join(f"{name} {value:.5g}" for name, value in metrics.items())
        if self.pipes is not None:
            self.pipes.log.info(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def accelerator(self, **options: Any) -> Any:
        """An ``accelerate.Accelerator`` over this training's processes."""
        from accelerate import Accelerator

        return Accelerator(cpu=not _gpu(), **options)


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available() and os.environ.get("MLP_DEVICE") != "cpu"
