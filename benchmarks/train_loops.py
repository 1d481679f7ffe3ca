"""The loops that the training benchmark compares: the same network and steps, fed in different ways. ``NAME TABLE``."""

import sys
from pathlib import Path
from typing import Any

from train_network import BATCH, FEATURES, epoch, network, stepped

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Encoding


def ours(run: mlp.TrainingRun) -> object:
    """The platform's own: an accelerator, a loader, checkpoints."""
    import torch

    torch.set_num_threads(run.params["threads"])
    rate = stepped(run.accelerator(), run.loader(BATCH // run.world_size))
    run.log(1, rows_per_second=rate * run.world_size)
    return network()


def ours_epoch(run: mlp.TrainingRun) -> object:
    """The same for a whole epoch, with what was seen."""
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

    return PartRows(table, DeltaTable(table).version(), "train", Encoding(FEATURES), "y")


def main() -> None:
    name, table = sys.argv[1], sys.argv[2]
    found = {"by_hand": by_hand, "passed_over": passed_over}[name](table)
    print(found, file=sys.stdout)


if __name__ == "__main__":
    main()
