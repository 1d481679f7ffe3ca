"""The platform's training loop against one by hand over tensors in memory; memory for larger data; two processes; and
what the platform takes around a small training.

Rates are medians of three rounds in which the contenders take turns. The rows are read from a training set's table.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable
from train_loops import BATCH, FEATURES, STEPS, WARM_UP
from train_overhead import overhead

from mlp_resources.lake_delta import DeltaLake
from mlp_resources.ports import Part, Table
from mlp_resources.ports_training import TrainingJob
from mlp_resources.runner_local import LocalRunner

HERE, ROUNDS = Path(__file__).parent, 3
LARGE_GB, AT_ONCE = 4.0, 1_000_000
BARS = {"mlp_ratio": 0.95, "peak_share": 0.2, "overhead_s": 20.0}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mlp-train", dir=os.environ.get("MLP_BENCH")) as folder:
        home = Path(folder)
        small = _table(home / "small", BATCH * (STEPS + WARM_UP + 60) * 2)
        rates: dict[str, list[float]] = {"ours": [], "by_hand": [], "two": [], "one": []}
        for number in range(ROUNDS):
            cores = os.cpu_count() or 1
            turns = [("by_hand", 1, cores), ("ours", 1, cores), ("one", 1, 1), ("two", 2, 1)]
            for name, processes, threads in turns if number % 2 else reversed(turns):
                rate = _by_hand(small) if name == "by_hand" else _ours(home, small, processes, threads)
                rates[name].append(rate)
                print(f"{name}, round {number + 1}: {rate:,.0f} rows/s", file=sys.stderr, flush=True)
        large = _table(home / "large", int(LARGE_GB * 1e9 / 4 / len(FEATURES)))
        peak = float(_run("passed_over", large))
    middle = {name: statistics.median(found) for name, found in rates.items()}
    figures = {f"{name}_rows_per_s": round(rate) for name, rate in middle.items()} | {
        "mlp_ratio": round(middle["ours"] / middle["by_hand"], 3),
        "efficiency_2": round(middle["two"] / middle["one"] / 2, 2),
        "peak_gb": round(peak, 2),
        "peak_share": round(peak / LARGE_GB, 3),
        **overhead(ROUNDS),
    }
    ok = figures["mlp_ratio"] >= BARS["mlp_ratio"] and all(figures[n] <= BARS[n] for n in ("peak_share", "overhead_s"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "train", "machine": machine, "figures": figures, "bars": BARS, "ok": ok}))
    return 0 if ok else 1


def _table(path: Path, rows: int) -> str:
    """A training set's table of random float32 features, written as the platform does, shard by shard."""
    print(f"making {rows:,} rows", file=sys.stderr, flush=True)
    rng, lake, table = np.random.default_rng(0), DeltaLake(path), Table("bench", "training_set", "history")
    parts: list[Part] = []
    for begin in range(0, rows, AT_ONCE):
        x = rng.standard_normal((min(AT_ONCE, rows - begin), len(FEATURES)), dtype=np.float32)
        made = pl.DataFrame(x, schema=list(FEATURES)).with_columns(y=pl.col("x0") - pl.col("x1"), split=pl.lit("train"))
        if begin == 0:
            made = pl.concat([made, made.head(2000).with_columns(split=pl.lit("validation"))])
        parts.append(lake.stage(table, made, f"part-{begin:012d}"))
    lake.publish(table, parts, made.schema)
    return lake.location(table)


def _by_hand(table: str) -> float:
    return float(_run("by_hand", table))


def _run(name: str, table: str) -> str:
    command = [sys.executable, str(HERE / "train_loops.py"), name, table]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def _ours(home: Path, table: str, processes: int, threads: int) -> float:
    version, params = DeltaTable(table).version(), {"threads": threads}
    job = TrainingJob("bench", "train_loops:ours", table, version, FEATURES, "y", "regression", processes, 0, params)
    history = LocalRunner(home / "runs").run(job).history
    return next(value for _, name, value in history if name == "rows_per_second")


if __name__ == "__main__":
    sys.exit(main())
