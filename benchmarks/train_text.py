"""The text part of the training benchmark: the text example's transformer at length 64, by the platform and by hand.

Each contender runs in a process of its own, on the same texts, tokens and number of steps.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.artifact.encoding import fit_encoders
from mlp_assets.examples.catalogue import feed
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.classes import classes_of
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import run_job

LENGTH, BATCH, WARM_UP, STEPS = 64, 16, 3, 25
YEAR = mlp.Window(datetime(2017, 1, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC))


def rates(home: Path, rounds: int) -> dict[str, float]:
    """Rows per second of both contenders, medians of rounds in which they take turns, and their ratio."""
    table, cores = _table(home / "texts"), os.cpu_count() or 1
    measured: dict[str, list[float]] = {"ours": [], "by_hand": []}
    for number in range(rounds):
        for name in ("ours", "by_hand") if number % 2 else ("by_hand", "ours"):
            rate = _ours(home, table, cores) if name == "ours" else _by_hand(table, cores)
            measured[name].append(rate)
            print(f"text {name}, round {number + 1}: {rate:,.1f} rows/s", file=sys.stderr, flush=True)
    ours, by_hand = (statistics.median(measured[name]) for name in ("ours", "by_hand"))
    figures = {"text_ours_rows_per_s": round(ours, 1), "text_by_hand_rows_per_s": round(by_hand, 1)}
    return figures | {"text_ratio": round(ours / by_hand, 3)}


def ours(run: mlp.TrainingRun) -> object:
    """The platform's loop: texts are read from the table and encoded on the way."""
    import torch

    from mlp_assets.examples.catalogue.network import CategoryNetwork, Probabilities

    torch.set_num_threads(run.params["threads"])
    torch.manual_seed(run.seed)
    network = CategoryNetwork(len(run.classes))
    run.log(1, rows_per_second=_rate_of_steps(run.accelerator(), network, run.loader(BATCH)))
    return Probabilities(network)


def by_hand(table: str, threads: int) -> float:
    """The same network and steps over tensors in memory, tokenized before the clock runs."""
    import torch
    from accelerate import Accelerator
    from tokenizers import Tokenizer

    from mlp_assets.examples.catalogue.network import CategoryNetwork

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rows = pl.read_delta(table).filter(pl.col("split") == "train")
    tokenizer: Any = Tokenizer.from_file(str(feed.encoder_tokenizer()))
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    x = torch.tensor([encoded.ids for encoded in tokenizer.encode_batch(rows["text"].to_list())])
    kinds = sorted(rows["category"].unique())
    y = torch.tensor([kinds.index(kind) for kind in rows["category"]])
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    batches = ((x[places], y[places]) for places in order.split(BATCH))
    return _rate_of_steps(Accelerator(cpu=True), CategoryNetwork(len(kinds)), batches)


def _rate_of_steps(accelerator: Any, network: Any, batches: Iterable[tuple[Any, Any]]) -> float:
    """Rows per second, after a few warm-up steps."""
    import torch

    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(network.parameters(), lr=1e-4))
    model.train()
    begun, rows = 0.0, 0
    for step, (x, y) in enumerate(batches):
        if step == WARM_UP:
            begun, rows = time.perf_counter(), 0
        loss = torch.nn.functional.cross_entropy(model(x), y.long())
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        rows += len(y)
        if step == WARM_UP + STEPS:
            break
    return rows / (time.perf_counter() - begun)


def _table(path: Path) -> str:
    rows = feed.descriptions(YEAR).select("text", "category")
    parts = [rows.with_columns(split=pl.lit("train")), rows.head(50).with_columns(split=pl.lit("validation"))]
    pl.concat(parts).write_delta(str(path))
    return str(path)


def _ours(home: Path, table: str, threads: int) -> float:
    rows = pl.scan_delta(table)
    encoders = fit_encoders(["text"], {"text": mlp.Tokens(LENGTH, tokenizer=feed.encoder_tokenizer)}, rows).to_dict()
    job = JobSpec(
        name="text", function="train_text:ours", table=table, version=DeltaTable(table).version(), features=("text",),
        target="category", task="multiclass", seed=0, params={"threads": threads}, encoders=encoders,
        classes=classes_of(rows.collect()["category"]).values,
    )  # fmt: skip
    ((_, _, rate),) = run_job(LocalRunner(home / "runs"), job).history
    return rate


def _by_hand(table: str, threads: int) -> float:
    command = [sys.executable, str(Path(__file__)), table, str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    print(by_hand(sys.argv[1], int(sys.argv[2])))
