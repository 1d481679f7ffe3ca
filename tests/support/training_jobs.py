"""Small training jobs on a table of fifty rows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec


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
