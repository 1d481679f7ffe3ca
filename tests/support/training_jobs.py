"""Small training jobs on a table of fifty rows."""

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec


class Constant:
    """Predicts the same number for every row."""

    def __init__(self, number: float) -> None:
        self.number = number

    def save(self, folder: Path) -> None:
        np.save(folder / "number.npy", self.number)

    @classmethod
    def load(cls, folder: Path) -> "Constant":
        return cls(float(np.load(folder / "number.npy")))

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return np.full(len(matrix), self.number)


def job(folder: Path, function: Callable[..., Any], processes: int = 1, **fields: Any) -> JobSpec:
    """A training on a table in the folder: fifty rows, which are also the validation rows."""
    rows = pl.DataFrame({"a": np.linspace(0, 1, 50), "b": np.ones(50), "y": np.linspace(0, 2, 50)})
    parts = [rows.with_columns(split=pl.lit(part)) for part in ("train", "validation")]
    table = str(folder / "table")
    pl.concat(parts).write_delta(table, mode="overwrite")
    return JobSpec(
        name="sample",
        function=f"{function.__module__}:{function.__qualname__}",
        table=table,
        version=DeltaTable(table).version(),
        features=("a", "b"),
        target="y",
        task="regression",
        processes=processes,
        seed=0,
        **fields,
    )


def hanging(run: mlp.TrainingRun) -> object:
    time.sleep(300)
    return None


def stuck(run: mlp.TrainingRun) -> object:
    """Rank 1 stops after four batches, and the others after all of theirs."""
    for number, _ in enumerate(run.loader(5)):
        if run.rank == 1 and number == 3:
            time.sleep(600)
    time.sleep(600)
    return None


def constant(run: mlp.TrainingRun) -> object:
    return Constant(float(run.train.y.mean()))


def gated(run: mlp.TrainingRun) -> object:
    """Logs a step, and returns a model once the file ``go`` is beside the runs."""
    run.log(1, loss=0.5)
    while not (run.folder.parents[1] / "go").exists():
        time.sleep(0.05)
    run.log(2, loss=0.25)
    return constant(run)


def half_precision(run: mlp.TrainingRun) -> object:
    """A layer in the wrappers of Accelerate, for several processes and for half precision."""
    import torch

    accelerator = run.accelerator()
    torch.manual_seed(run.seed)
    layer, half = torch.nn.Linear(2, 1), list[bool]()
    layer.register_forward_hook(lambda _layer, _given, made: half.append(made.dtype == torch.bfloat16))
    weights = dict(zip("abc", torch.cat([layer.weight[0], layer.bias]).tolist(), strict=True))
    model = accelerator.prepare(torch.nn.Sequential(layer))
    model(torch.ones(1, 2))
    total = accelerator.reduce(torch.tensor(float(run.rank + 1)))
    run.log(1, ranks=float(total), half=float(all(half)), **weights)
    return model


def hungry(run: mlp.TrainingRun) -> object:
    """The last rank takes memory without end, and the others wait."""
    blocks: list[bytes] = []
    while run.rank == run.world_size - 1:
        blocks.append(b"x" * 2**24)
    time.sleep(300)
    return None


def offered(run: mlp.TrainingRun) -> object:
    raise mlp.MlpError(f"oom_score_adj {Path('/proc/self/oom_score_adj').read_text().strip()}")


def diverging(run: mlp.TrainingRun) -> object:
    run.log(7, loss=float("nan"))
    return None


def unservable(run: mlp.TrainingRun) -> object:
    return {"weights": 1}


def vanishing(run: mlp.TrainingRun) -> object:
    os._exit(0)


def classifier(run: mlp.TrainingRun) -> object:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(run.train.x, run.train.y > 1)


def with_unclean_libraries(run: mlp.TrainingRun) -> object:
    """Ends as some libraries let a process end: what C runs at its exit aborts it. A thread and a handler of Python's
    still have a line to write."""
    aborting = ctypes.CFUNCTYPE(None)(os.abort)
    _KEPT.append(aborting)
    ctypes.CDLL(None).__cxa_atexit(aborting, None, None)
    threading.Thread(target=_write_late, args=[run.folder / "thread"]).start()
    atexit.register((run.folder / "handler").write_text, "done")
    return Constant(1.0)


_KEPT = list[Any]()


def _write_late(path: Path) -> None:
    time.sleep(0.5)
    path.write_text("done")
