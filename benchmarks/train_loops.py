"""The loops that the training benchmark compares: same network and steps, different sources of batches.

Run as ``train_loops.py NAME TABLE``.
"""

import sys
from pathlib import Path
from typing import Any

from train_network import BATCH, FEATURES, epoch, network, rate_of_steps

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding


def ours(run: mlp.TrainingRun) -> object:
    """The platform's loop: its accelerator and its loader."""
    import torch

    torch.set_num_threads(run.params["threads"])
    rate = rate_of_steps(run.accelerator(), run.loader(BATCH // run.world_size))
    run.log(1, rows_per_second=rate * run.world_size)
    return network()


def ours_epoch(run: mlp.TrainingRun) -> object:
    """The platform's loop for a whole epoch; logs the rows and their checksum, too."""
    import torch

    torch.set_num_threads(run.params["threads"])
    run.log(1, **epoch(run.accelerator(), run.loader(BATCH)))
    return network()


def by_hand(table: str) -> float:
    """Tensors in memory, shuffled by an index."""
    import torch
    from accelerate import Accelerator

    rows = mlp.Split(_part(table))
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    batches = ((x[places], y[places]) for places in order.split(BATCH))
    return rate_of_steps(Accelerator(cpu=True), batches)


def peak_memory(table: str) -> float:
    """GB of resident memory at the peak of an epoch, above that of the idle process. It sums what it reads."""
    import torch

    from mlp_assets.training.loader import Loader

    torch.zeros(1)
    part = _part(table)
    idle = _peak_gb()
    rows = 0
    for x, y in Loader(part, BATCH, seed=0):
        rows += len(y)
        float(x.sum() + y.sum())  # reads every value
    assert rows == part.rows
    return _peak_gb() - idle


def _peak_gb() -> float:
    """The peak of this process's resident memory. ``ru_maxrss`` would count that of its parent, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e6


def _part(table: str) -> Any:
    from deltalake import DeltaTable

    from mlp_assets.training.part_rows import PartRows

    return PartRows(table, DeltaTable(table).version(), "train", Encoding(FEATURES), "y")


def main() -> None:
    name, table = sys.argv[1], sys.argv[2]
    print({"by_hand": by_hand, "peak_memory": peak_memory}[name](table))


if __name__ == "__main__":
    main()
