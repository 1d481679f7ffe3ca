"""The overhead of the platform around a small training: a run of candidate and champion, minus ``train`` itself."""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

import mlp_assets as mlp
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment

USERS, WEEKS = 2000, 12
START = datetime(2024, 1, 1, tzinfo=UTC)


def train(run: mlp.TrainingRun) -> object:
    """Trains a small network and writes down when it began and ended."""
    import torch
    from torch import nn

    begun = time.time()
    torch.manual_seed(run.seed)
    network = nn.Sequential(nn.Linear(len(run.features), 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0), nn.Sigmoid())
    optimizer, loss_of = torch.optim.AdamW(network.parameters(), 0.01), nn.BCELoss()
    for batches in run.loader(512).epochs(10):
        for x, y in batches:
            optimizer.zero_grad()
            loss_of(network(torch.nan_to_num(x)), y).backward()
            optimizer.step()
    Path(run.params["times"]).write_text(json.dumps({"begun": begun, "ended": time.time()}))
    return network


def project(folder: Path) -> mlp.Project:
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime}
    buys = mlp.Source(
        "buys", delta=str(folder / "buys"), start="2024-01-01", every="1w", event_time="bought_at", columns=columns
    )
    columns = {"user_id": pl.Int64, "bought": pl.Float64, "asked_at": pl.Datetime}
    outcomes = mlp.Source(
        "outcomes",
        delta=str(folder / "outcomes"),
        start="2024-01-01",
        every="1w",
        event_time="asked_at",
        columns=columns,
    )
    view = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=buys,
        every="1w",
        features={"spend_7d": mlp.total("amount", over="7d"), "spend_28d": mlp.total("amount", over="28d")},
    )
    history = mlp.TrainingSet(
        "history", labels=outcomes, target="bought", features=[view], since="2024-01-29", availability="known"
    )
    model = mlp.Model(
        "small",
        training_set=history,
        train=train,
        task="binary",
        gates=[mlp.AtLeast("roc_auc", 0.5), mlp.AtMost("brier", 0.3), mlp.NoWorseThan("champion", margin=0.05)],
        encode={"spend_7d": mlp.Standardized(), "spend_28d": mlp.Standardized()},
        params={"times": str(folder / "times.json")},
    )
    return mlp.Project("bench", owner="team:bench", assets=[model])


def write_tables(folder: Path) -> None:
    rng = np.random.default_rng(0)
    weeks = [START + timedelta(weeks=week) for week in range(WEEKS)]
    for name, time_column, value in (("buys", "bought_at", "amount"), ("outcomes", "asked_at", "bought")):
        rows = pl.DataFrame({time_column: weeks}).join(pl.DataFrame({"user_id": range(USERS)}), how="cross")
        share = rows["user_id"].to_numpy() / USERS
        made = rng.gamma(2.0, 10 * share + 1) if value == "amount" else (rng.random(rows.height) < share).astype(float)
        rows.with_columns(pl.Series(value, made)).write_delta(str(folder / name))


def overhead(rounds: int) -> dict[str, float]:
    """Medians in seconds: ``overhead_s`` and its parts. The first round has no champion yet and is not counted."""
    with tempfile.TemporaryDirectory(prefix="mlp-overhead") as path:
        folder = Path(path)
        write_tables(folder)
        made = project(folder)
        job = definitions_for(
            made, environment=LocalEnvironment(folder / "home")
        ).resolve_implicit_global_asset_job_def()
        instance = dg.DagsterInstance.ephemeral()
        last = f"{START + timedelta(weeks=WEEKS - 1):%Y-%m-%d}"
        tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": last}
        _run(job, instance, tags, "features")
        _run(job, instance, {}, "training_set")
        measured = [_measure(job, instance, folder) for _ in range(rounds + 1)][1:]
    return {name: round(float(np.median([figures[name] for figures in measured])), 2) for name in measured[0]}


def _measure(job: Any, instance: Any, folder: Path) -> dict[str, float]:
    begun = time.time()
    result = _run(job, instance, {}, "candidate", "champion")
    whole = time.time() - begun
    times = json.loads((folder / "times.json").read_text())
    facts: dict[str, float] = {}
    for event in result.get_asset_materialization_events():
        shown = event.step_materialization_data.materialization.metadata
        facts |= {name: value.value for name, value in shown.items() if name.endswith("_seconds")}
    body = times["ended"] - times["begun"]
    launch = facts["training_seconds"] - body
    rest = whole - facts["training_seconds"] - facts["judging_seconds"] - facts["registering_seconds"]
    print(f"a run of {whole:.1f} s, of which {body:.2f} s in train", file=sys.stderr, flush=True)
    return {
        "overhead_s": whole - body,
        "overhead_process_and_export_s": launch,
        "overhead_judging_s": facts["judging_seconds"],
        "overhead_registering_s": facts["registering_seconds"],
        "overhead_dagster_and_promotion_s": rest,
    }


def _run(job: Any, instance: Any, tags: dict[str, str], *kinds: str) -> Any:
    chosen = [key for key in job.asset_layer.executable_asset_keys if key.path[1] in kinds]
    return job.execute_in_process(instance=instance, asset_selection=chosen, tags=tags)
