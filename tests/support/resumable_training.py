"""A training that saves checkpoints and draws random numbers of every kind."""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.ports.training import TrainingResult
from tests.support.perceptron import Perceptron

EPOCHS, BATCH = 3, 32


class Momentum:
    """Steps along the mean of recent gradients of all processes, at a rate that sinks with every step.

    PyTorch's own optimizers, and its wrapper of models for several processes, take two seconds to import.
    """

    def __init__(self, network: Any, processes: int) -> None:
        import torch

        self._parameters, self._processes = list(network.parameters()), processes
        self._means, self._done = [torch.zeros_like(each) for each in self._parameters], 0

    def step(self) -> None:
        import torch.distributed as dist

        self._done += 1
        for parameter, mean in zip(self._parameters, self._means, strict=True):
            gradient, parameter.grad = parameter.grad, None
            if self._processes > 1:
                dist.all_reduce(gradient)
            mean.mul_(0.9).add_(gradient, alpha=0.1 / self._processes)
            parameter.data.sub_(mean, alpha=0.1 / (1 + self._done / 100))

    def state_dict(self) -> dict[str, Any]:
        return {"means": self._means, "done": self._done}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self._means, self._done = state["means"], state["done"]


def train(run: mlp.TrainingRun) -> object:
    """Draws random numbers of every kind, so that a generator missing from the checkpoints shows."""
    import torch
    from torch import nn

    if run.world_size > 1:
        torch.distributed.init_process_group("gloo")
    torch.manual_seed(run.seed)
    network = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.3), nn.SiLU(), nn.Linear(16, 1), nn.Flatten(0))
    torch.manual_seed(run.seed + run.rank)
    np.random.seed(run.rank)
    random.seed(run.rank)
    optimizer, loader, best = Momentum(network, run.world_size), run.loader(BATCH), run.best(network)
    saved = run.checkpoints(every=7, model=network, optimizer=optimizer, loader=loader, best=best)
    begun, seen, wanted = saved.done, torch.from_numpy(run.validation.x), torch.from_numpy(run.validation.y)
    for batches in loader.epochs(EPOCHS):
        for x, y in batches:
            noise = torch.randn_like(y) + float(np.random.normal()) + random.random()
            ((network(x) - y - 0.01 * noise) ** 2).mean().backward()
            optimizer.step()
            saved.step()
            time.sleep(run.params["pause"])
        with torch.no_grad():
            network.eval()
            score = ((network(seen) - wanted) ** 2).mean().item()
            network.train()
        best.offer(score)
        run.log(saved.done, loss=score, begun=begun)
    best.restore()
    return Perceptron.of_torch(network.state_dict())


def job(folder: Path, resume_key: str = "", processes: int = 2, pause: float = 0.0) -> JobSpec:
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
