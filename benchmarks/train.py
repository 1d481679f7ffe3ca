"""The training benchmark: the platform's loop against a hand-written loop over tensors in memory, and against the same
loop fed by Hugging Face's ``datasets``. It also measures the memory for data larger than memory, two processes, and the
overhead of the platform around a small training.

Rates are medians of three rounds in which the contenders take turns. The rows come from a training set's table.
Without arguments all parts run: ``train.py [loops] [text] [loader] [memory] [overhead]``.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable
from peers import python_of
from train_network import BATCH, FEATURES, STEPS, WARM_UP

from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Part, Table
from mlp_resources.ports.training import run_job

HERE, ROUNDS = Path(__file__).parent, 3
LARGE_GB, AT_ONCE = 4.0, 1_000_000
LEAST, MOST = {"mlp_ratio": 0.95, "text_ratio": 0.95}, {"peak_share": 0.2, "overhead_s": 20.0}
Figures = dict[str, float]


def main() -> int:
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="mlp-train", dir=os.environ.get("MLP_BENCH")) as folder:
        for name in sys.argv[1:] or PARTS:
            figures |= PARTS[name](Path(folder))
    bars = {name: bar for name, bar in (LEAST | MOST).items() if name in figures}
    ok = all(figures[name] >= bar if name in LEAST else figures[name] <= bar for name, bar in bars.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "train", "machine": machine, "figures": figures, "bars": bars, "ok": ok}))
    return 0 if ok else 1


def _loops(home: Path) -> Figures:
    table, cores = _small(home), os.cpu_count() or 1
    rates: dict[str, list[float]] = {"ours": [], "by_hand": [], "two": [], "one": []}
    for number in range(ROUNDS):
        turns = [("by_hand", 1, cores), ("ours", 1, cores), ("one", 1, 1), ("two", 2, 1)]
        for name, processes, threads in turns if number % 2 else reversed(turns):
            ours = name != "by_hand"
            rate = _rate_of(home, table, processes, threads) if ours else float(_run("by_hand", table))
            rates[name].append(rate)
            _print_rate(name, number, rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {f"{name}_rows_per_s": round(rate) for name, rate in medians.items()} | {
        "mlp_ratio": round(medians["ours"] / medians["by_hand"], 3),
        "efficiency_2": round(medians["two"] / medians["one"] / 2, 2),
    }


def _loader(home: Path) -> Figures:
    """Whole epochs over the same files, from the preparation before the first batch to the last step."""
    table, cores = _small(home), os.cpu_count() or 1
    epochs: dict[str, list[Figures]] = {"ours": [], "datasets": []}
    for number in range(ROUNDS):
        for name in ("datasets", "ours") if number % 2 else ("ours", "datasets"):
            ours = name == "ours"
            epoch = _train(home, table, "ours_epoch", 1, cores) if ours else _train_by_datasets(home, table, cores)
            epochs[name].append(epoch)
            _print_rate(f"an epoch of {name}", number, epoch["rows_per_second"])
        mine, theirs = (epochs[name][-1] for name in ("ours", "datasets"))
        if mine["rows"] != theirs["rows"] or not math.isclose(mine["checksum"], theirs["checksum"], abs_tol=1e-3):
            raise SystemExit(f"datasets has other rows ({theirs}) than ours ({mine}): the times are not compared.")
    mine, theirs = (
        statistics.median(epoch["rows_per_second"] for epoch in epochs[name]) for name in ("ours", "datasets")
    )
    return {
        "loader_ours_rows_per_s": round(mine),
        "loader_datasets_rows_per_s": round(theirs),
        "loader_ratio": round(mine / theirs, 3),
        "loader_datasets_prepare_s": round(epochs["datasets"][0]["prepare_s"], 1),
    }


def _memory(home: Path) -> Figures:
    large = _table(home / "large", int(LARGE_GB * 1e9 / 4 / len(FEATURES)))
    peak = float(_run("peak_memory", large))
    return {"peak_gb": round(peak, 2), "peak_share": round(peak / LARGE_GB, 3)}


def _overhead(_: Path) -> Figures:
    from train_overhead import overhead

    return overhead(ROUNDS)


def _text(home: Path) -> Figures:
    from train_text import rates

    return rates(home, ROUNDS)


PARTS = {"loops": _loops, "text": _text, "loader": _loader, "memory": _memory, "overhead": _overhead}


@cache
def _small(home: Path) -> str:
    return _table(home / "small", BATCH * (STEPS + WARM_UP + 60) * 2)


def _table(path: Path, rows: int) -> str:
    """A training set's table of random float32 features, written as the platform does, shard by shard."""
    print(f"making {rows:,} rows", file=sys.stderr, flush=True)
    rng, lake, table = np.random.default_rng(0), DeltaLake(path), Table("bench", "training_set", "history")
    parts, schema = list[Part](), pl.Schema()
    for begin in range(0, rows, AT_ONCE):
        x = rng.standard_normal((min(AT_ONCE, rows - begin), len(FEATURES)), dtype=np.float32)
        made = pl.DataFrame(x, schema=list(FEATURES)).with_columns(y=pl.col("x0") - pl.col("x1"), split=pl.lit("train"))
        if begin == 0:
            made = pl.concat([made, made.head(2000).with_columns(split=pl.lit("validation"))])
        schema = made.schema
        parts.append(lake.stage(table, made, f"part-{begin:012d}"))
    lake.publish(table, parts, schema)
    return lake.location(table)


def _run(name: str, table: str) -> str:
    command = [sys.executable, str(HERE / "train_loops.py"), name, table]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def _rate_of(home: Path, table: str, processes: int, threads: int) -> float:
    return _train(home, table, "ours", processes, threads)["rows_per_second"]


def _train(home: Path, table: str, loop: str, processes: int, threads: int) -> Figures:
    """The metrics that a training by the platform logged."""
    number, params = DeltaTable(table).version(), {"threads": threads}
    job = JobSpec(
        name="bench", function=f"train_loops:{loop}", table=table, version=number, features=FEATURES, target="y",
        task="regression", processes=processes, seed=0, params=params,
    )  # fmt: skip
    return {name: value for _, name, value in run_job(LocalRunner(home / "runs"), job).history}


def _train_by_datasets(home: Path, table: str, threads: int) -> Figures:
    requirements = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "accelerate")]
    python, files = python_of("datasets", [*requirements, "datasets>=5.2,<6"]), sorted(DeltaTable(table).file_uris())
    cached = home / "datasets"
    command = [str(python), str(HERE / "train_datasets.py"), str(cached), str(threads), *files]
    environment = os.environ | {"HF_HOME": str(cached), "HF_HUB_OFFLINE": "1"}
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(process.stdout.splitlines()[-1])


def _print_rate(name: str, number: int, rate: float) -> None:
    print(f"{name}, round {number + 1}: {rate:,.0f} rows/s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
