"""Trainings with Accelerate that log the precision, the shares and the updates that they ran with."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.training.divergence import TrainingDiverged
from mlp_resources.ports.training import TrainingResult
from tests.support.perceptron import Perceptron

EPOCHS, BATCH, ROWS = 4, 16, 320


def network() -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0))


def train(run: mlp.TrainingRun) -> object:
    """Returns the model's weights; or the model itself at the step ``as_is_at``; or a module around the model."""
    import torch

    accelerator = run.accelerator()
    torch.manual_seed(run.seed)
    module = network()
    whole = sum(each.numel() for each in module.parameters())
    half: list[bool] = []
    module[0].register_forward_hook(lambda _module, _given, made: half.append(made.dtype == torch.bfloat16))
    model, optimizer = accelerator.prepare(module, torch.optim.AdamW(module.parameters(), lr=0.02))
    held = sum(getattr(each, "to_local", lambda each=each: each)().numel() for each in model.parameters())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    loader, best, updates = run.loader(BATCH), run.best(model), 0
    saved = run.checkpoints(every=5, model=model, optimizer=optimizer, schedule=schedule, loader=loader, best=best)
    begun, seen, wanted = saved.done, torch.from_numpy(run.validation.x), torch.from_numpy(run.validation.y)
    for batches in loader.epochs(EPOCHS):
        for x, y in batches:
            with accelerator.accumulate(model):
                accelerator.backward(((model(x).float() - y) ** 2).mean())
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            schedule.step()
            updates += accelerator.sync_gradients
            saved.step()
            if saved.done == run.params.get("as_is_at"):
                return model
            if saved.done == run.params.get("dies_at"):
                raise mlp.MlpError("it fails on purpose")
        with torch.no_grad():
            best.offer(((model(seen).float() - wanted) ** 2).mean().item())
    run.log(saved.done, begun=begun, held=held / whole, half=float(all(half)), updates=updates)
    best.restore()
    if run.params.get("within"):
        return torch.nn.Sequential(model, torch.nn.Identity())
    return Perceptron.of_torch(run.whole(accelerator.unwrap_model(model)))


def diverge(run: mlp.TrainingRun) -> object:
    """Diverges in the norm of its gradients, of which it only prints the error, and then by its learning rate."""
    import torch

    accelerator = run.accelerator()
    module = network()
    model, optimizer = accelerator.prepare(module, torch.optim.SGD(module.parameters(), lr=1e30))
    x, y = torch.from_numpy(run.train.x), torch.from_numpy(run.train.y)
    accelerator.backward((model(x) * x[:, 0]).sum() * 1e36)
    try:
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
    except TrainingDiverged as error:
        print(error)
    optimizer.zero_grad()
    while True:
        accelerator.backward(((model(x) - y) ** 2).mean())
        optimizer.step()


def job(
    folder: Path, compute: mlp.Local | mlp.Accelerate, resume_key: str = "", function: Any = train, **params: Any
) -> JobSpec:
    table = folder / "table"
    if not table.exists():
        x = np.random.default_rng(0).normal(size=(ROWS * 2, 2))
        rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] - 2 * x[:, 1]}).with_row_index()
        split = pl.when(pl.col("index") < ROWS).then(pl.lit("train")).otherwise(pl.lit("validation"))
        rows.with_columns(split=split).drop("index").write_delta(str(table))
    path = f"{function.__module__}:{function.__qualname__}"
    return JobSpec(
        name="computed", function=path, table=str(table), version=DeltaTable(table).version(), features=("a", "b"),
        target="y", task="regression", processes=compute.processes, seed=3, params=params, resume_key=resume_key,
        compute=compute.options,
    )  # fmt: skip


def logged(result: TrainingResult) -> dict[str, float]:
    return {name: value for _, name, value in result.history}


def error_of(result: TrainingResult) -> float:
    """The squared error of the served model; it is 5 for one that learnt nothing."""
    scorer = load_scorer(result.folder, result.digest)
    x = np.random.default_rng(1).normal(size=(500, 2)).astype(np.float32).astype(float)
    return float(np.mean((scorer.predict(x) - (x[:, 0] - 2 * x[:, 1])) ** 2))
