"""A training that saves checkpoints and draws random numbers of every kind."""

import random
import time
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.ports.training import TrainingResult

EPOCHS, BATCH = 3, 32


def train(run: mlp.TrainingRun) -> object:
    """Draws random numbers of every kind, so that a generator missing from the checkpoints shows."""
    import torch
    from torch import nn

    torch.manual_seed(run.seed + run.rank)
    np.random.seed(run.rank)
    random.seed(run.rank)
    accelerator = run.accelerator()
    network = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.3), nn.SiLU(), nn.Linear(16, 1), nn.Flatten(0))
    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(network.parameters(), lr=0.01))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    loader, best = run.loader(BATCH), run.best(network)
    saved = run.checkpoints(every=7, model=network, optimizer=optimizer, schedule=schedule, loader=loader, best=best)
    begun = saved.done
    for batches in loader.epochs(EPOCHS):
        for x, y in batches:
            noise = torch.randn_like(y) + float(np.random.normal()) + random.random()
            loss = ((model(x) - y - 0.01 * noise) ** 2).mean()
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            saved.step()
            time.sleep(run.params["pause"])
        with torch.no_grad():
            network.eval()
            score = (
                ((network(torch.from_numpy(run.validation.x)) - torch.from_numpy(run.validation.y)) ** 2).mean().item()
            )
            network.train()
        best.offer(score)
        run.log(saved.done, loss=score, begun=begun)
    best.restore()
    return network


def job(folder: Path, resume_key: str = "", processes: int = 2, pause: float = 0.01) -> JobSpec:
    table = folder / "table"
    if not table.exists():
        draw = np.random.default_rng(0)
        x = draw.normal(size=(3000, 2))
        rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] - 2 * x[:, 1]})
        split = pl.when(pl.int_range(pl.len()) < 2500).then(pl.lit("train")).otherwise(pl.lit("validation"))
        rows.with_columns(split=split).write_delta(str(table))
    path = f"{train.__module__}:{train.__qualname__}"
    return JobSpec(
        name="kept", function=path, table=str(table), version=DeltaTable(table).version(), features=("a", "b"),
        target="y", task="regression", processes=processes, seed=3, params={"pause": pause}, resume_key=resume_key,
    )  # fmt: skip


def begun(result: TrainingResult) -> list[float]:
    return [value for _, name, value in result.history if name == "begun"]
