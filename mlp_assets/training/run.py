"""The argument of a user's ``train`` function: data, settings, log, checkpoints and accelerator of one training."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding, FittedCategories
from mlp_assets.artifact.tokens import FittedTokens
from mlp_assets.errors import MlpError
from mlp_assets.jobs.fence import Fence
from mlp_assets.jobs.metrics_log import METRICS_LOG, read_metrics
from mlp_assets.nouns.checks.texts import not_loggable
from mlp_assets.tables.storage import scan_delta
from mlp_assets.training import launcher
from mlp_assets.training.best import Best
from mlp_assets.training.checkpoints import Checkpoints, Stateful
from mlp_assets.training.divergence import check_finite
from mlp_assets.training.early_stop import EarlyStop
from mlp_assets.training.loader import Loader
from mlp_assets.training.meter import Meter
from mlp_assets.training.part_rows import PartRows
from mlp_assets.training.sharded_state import gather


@dataclass(frozen=True)
class Split:
    """One part of the training set: ``x`` float32 (rows, features) with NaN for missing, ``y`` float32 (rows,).

    In a multiclass model ``y`` is the position of the class in ``run.classes``; -1 for a class without training rows.

    Both are read into memory on first use. ``run.loader`` gives batches of parts that are larger than memory.
    """

    rows: PartRows

    def __len__(self) -> int:
        return self.rows.rows

    @property
    def x(self) -> NDArray[np.float32]:
        return self._read[0]

    @property
    def y(self) -> NDArray[np.float32]:
        return self._read[1]

    def head(self, rows: int) -> NDArray[np.float32]:
        """The first rows of ``x``, at most ``rows`` of them, without reading the others."""
        return self._rows_until(min(rows, len(self)))[0]

    def frame(self) -> pl.DataFrame:
        """All columns, including keys and times."""
        rows = scan_delta(self.rows.location, self.rows.version)
        return rows.filter(pl.col("split") == self.rows.part).collect()

    @cached_property
    def _read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._rows_until(len(self))

    def _rows_until(self, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        x, y = np.empty((end, len(self.rows.encoding.columns)), np.float32), np.empty(end, np.float32)
        self.rows.read(0, end, x, y)
        return x, y


@dataclass(frozen=True)
class TrainingRun:
    """The data, settings and log of one training. All processes have the same, except for ``rank``."""

    train: Split
    validation: Split
    encoding: Encoding = field(repr=False)
    target: str
    task: str
    seed: int
    params: Mapping[str, Any]
    rank: int
    world_size: int
    folder: Path
    checkpoint_location: str
    resume_from: str = ""
    compute: Mapping[str, Any] = field(default_factory=dict[str, Any])
    classes: tuple[Any, ...] = field(default=(), repr=False)
    heartbeat: Callable[[], None] = lambda: None
    stop: EarlyStop | None = None
    meter: Meter = field(default_factory=Meter, repr=False)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of ``x``, in order. Those of a vector or of tokens are ``name[0]``, ``name[1]`` and so on."""
        return self.encoding.columns

    @property
    def categories(self) -> Mapping[str, int]:
        """Encoded input -> the number of codes of its values or tokens, which is the size of an embedding."""
        return {
            name: len(encoder.values) + 1 if isinstance(encoder, FittedCategories) else encoder.vocabulary
            for name, encoder in self.encoding.encoders.items()
            if isinstance(encoder, FittedCategories | FittedTokens)
        }

    def loader(self, batch: int, *, part: str = "train", features: Sequence[str] | None = None) -> Loader:
        """Batches of this process: shuffled in each epoch, except for ``"validation"``, which keeps the table's order.

        Args:
            batch: rows of a batch in each process.
            part: ``"train"`` or ``"validation"``.
            features: the inputs whose columns ``x`` has; all by default.
        """
        rows = (self.train if part == "train" else self.validation).rows
        source = replace(rows, encoding=rows.encoding.only(features)) if features else rows
        shuffle, device = part == "train", _device() if "torch" in sys.modules else None
        return Loader(
            source,
            batch,
            self.seed,
            self.rank,
            self.world_size,
            shuffle=shuffle,
            device=device,
            on_batch=self._count_rows,
        )

    def checkpoints(self, *, every: int = 500, keep: int = 2, **objects: Stateful) -> Checkpoints:
        """Saves the objects every ``every`` steps. If this training was interrupted, restores them now.

        Name everything that the training changes: ``model=``, ``optimizer=``, ``schedule=``, ``loader=``, ``best=``.
        """
        return Checkpoints(
            self.checkpoint_location,
            objects,
            every=every,
            keep=keep,
            rank=self.rank,
            world_size=self.world_size,
            log=_Log(self.folder / METRICS_LOG),
            fence=Fence.of_job(self.folder),
            resume_from=self.resume_from,
        )

    def best(self, module: Any, *, higher_is_better: bool = False) -> Best:
        """Keeps the module's best state, by a score that you offer; lower is better by default."""
        return Best(module, higher_is_better=higher_is_better)

    def log(self, step: int, **metrics: float) -> None:
        """Logs metrics of a step: live in the run's log, and as curves in the registry. Only rank 0 writes.

        Raises:
            MlpError: the registry takes no metric of such a name.
            TrainingDiverged: a value is not finite.
        """
        for name, value in metrics.items():
            refusal = not_loggable(name)
            if refusal is not None:
                raise MlpError(refusal)
            check_finite(name, value, f"at step {step}")
        self.heartbeat()
        if self.rank != 0:
            return
        with (self.folder / METRICS_LOG).open("a") as file:
            file.write(
                json.dumps({"step": int(step), **{name: float(value) for name, value in metrics.items()}}) + "\n"
            )
        text = f"step {step}: " + ", ".join(f"{name} {value:.5g}" for name, value in metrics.items())
        if self.meter.rows:
            text += f" ({self.meter.recent_rate() * self.world_size:,.0f} rows/s)"
        sys.stderr.write(f"{text}\n")  # one write, as other processes log to the same file
        if self.stop is not None:
            self.stop.check(read_metrics(self.folder))

    def _count_rows(self, rows: int) -> None:
        self.meter.add(rows)
        self.heartbeat()

    def accelerator(self, **options: Any) -> Any:
        """An ``accelerate.Accelerator`` over this training's processes, set up by the model's ``compute``.

        Its ``backward`` and ``clip_grad_norm_`` raise TrainingDiverged for a loss or norm that is not finite.
        """
        from mlp_assets.training.accelerators import make_accelerator

        settings = dict(self.compute)
        sharded = settings.pop("strategy", "ddp") == "fsdp" and self.world_size > 1
        return make_accelerator(settings | options, sharded=sharded, cpu=_device().type == "cpu")

    def whole(self, model: Any) -> dict[str, Any]:
        """The whole state of a sharded model, for ``load_state_dict`` of an unsharded one.

        Every process must call it.
        """
        return gather(model.state_dict())


@dataclass(frozen=True)
class _Log:
    path: Path

    def read(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def write(self, data: bytes) -> None:
        self.path.write_bytes(data)


def _device() -> Any:
    """The device of this process."""
    import torch

    here = launcher.local_world_size()
    if launcher.keeps_off_gpus() or torch.cuda.device_count() < here:
        return torch.device("cpu")
    return torch.device("cuda", launcher.local_rank())
