"""The loops that the training benchmark compares: the same network and steps, fed in different ways. ``NAME TABLE``."""

import sys
import time
from pathlib import Path
from typing import Any

import mlp_assets as mlp
from mlp_assets.engine.encoding import Encoding

BATCH, WARM_UP, STEPS, WIDTH = 4096, 10, 80, 64
FEATURES = tuple(f"x{number}" for number in range(WIDTH))


def network() -> Any:
    """64 → 512 → 512 → 1."""
    from torch import nn

    layers = [nn.Linear(WIDTH, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1), nn.Flatten(0)]
    return nn.Sequential(*layers)


def stepped(accelerator: Any, batches: Any) -> float:
    """Rows per second of this process, after a few steps to warm up."""
    import torch

    torch.manual_seed(0)
    model = network()
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    loss_of, begun, rows = torch.nn.MSELoss(), 0.0, 0
    for number, (x, y) in enumerate(batches):
        if number == WARM_UP:
            begun = time.perf_counter()
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        rows += len(y) if number >= WARM_UP else 0
        if number == WARM_UP + STEPS:
            break
    return rows / (time.perf_counter() - begun)


def ours(run: mlp.TrainingRun) -> object:
    """The platform's own: an accelerator, a loader, checkpoints."""
    import torch

    torch.set_num_threads(run.params["threads"])
    rate = stepped(run.accelerator(), run.loader(BATCH // run.world_size))
    run.log(1, rows_per_second=rate * run.world_size)
    return network()


def by_hand(table: str) -> float:
    """Tensors in memory, shuffled by an index."""
    import torch
    from accelerate import Accelerator

    rows = mlp.Split(_part(table))
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    batches = ((x[places], y[places]) for places in order.split(BATCH))
    return stepped(Accelerator(cpu=True), batches)


def passed_over(table: str) -> float:
    """GB of resident memory above the idle process at the peak of an epoch; what is read is added up."""
    import torch

    from mlp_assets.training.loader import Loader

    torch.zeros(1)
    part = _part(table)
    idle = _peak_gb()
    total = sum(float(y.sum()) + x.shape[0] for x, y in Loader(part, BATCH, seed=0))
    assert total > part.rows
    return _peak_gb() - idle


def _peak_gb() -> float:
    """The most resident memory since the program began; ``ru_maxrss`` has that of who started it, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e6


def _part(table: str) -> Any:
    from deltalake import DeltaTable

    from mlp_assets.training.part_rows import PartRows

    return PartRows(table, DeltaTable(table).version(), "train", Encoding(tuple(FEATURES)), "y")


def main() -> None:
    name, table = sys.argv[1], sys.argv[2]
    found = {"by_hand": by_hand, "passed_over": passed_over}[name](table)
    print(found, file=sys.stdout)


if __name__ == "__main__":
    main()
