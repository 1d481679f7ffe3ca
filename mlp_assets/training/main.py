"""The training process: ``python -m torch.distributed.run ... -m mlp_assets.training.main SPEC.json``."""

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.heartbeat import Beat
from mlp_assets.metrics.classes import Classes
from mlp_assets.training import launcher
from mlp_assets.training.export import export
from mlp_assets.training.part_rows import PartRows
from mlp_assets.training.run import Split, TrainingRun
from mlp_assets.training.stop import Stop, StoppedEarly


def main(spec_path: str) -> int:
    """Trains as the spec says. Rank 0 writes ``result.json`` last, or ``failure.json`` with the reason."""
    folder = Path(spec_path).parent
    spec = json.loads(Path(spec_path).read_text())
    rank, world_size = launcher.rank(), launcher.world_size()
    try:
        if world_size != spec["processes"]:
            raise MlpError(f"{spec['processes']} processes were asked for and {world_size} started.")
        with _pipes(rank) as pipes:
            _train(spec, folder, rank, world_size, pipes)
    except StoppedEarly as stopped:
        (folder / STOPPED).write_text(str(stopped))
        return 1
    except Exception as error:
        expected = isinstance(error, MlpError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        (folder / f"failure-{rank}.json").write_text(json.dumps({"rank": rank, "reason": reason}))
        if not expected:
            traceback.print_exc()
        print(f"rank {rank}: {reason}", file=sys.stderr, flush=True)
        return 1
    return 0


def _train(spec: dict[str, Any], folder: Path, rank: int, world_size: int, pipes: Any) -> None:
    encoding, target = Encoding.of_told(spec["features"], spec["encoders"]), spec["target"]
    classes = Classes(tuple(spec["classes"]))
    run = TrainingRun(
        train=Split(PartRows(spec["table"], spec["version"], "train", encoding, target, classes)),
        validation=Split(PartRows(spec["table"], spec["version"], "validation", encoding, target, classes)),
        encoding=encoding,
        classes=classes.values,
        target=target,
        task=spec["task"],
        seed=spec["seed"],
        params=spec["params"],
        rank=rank,
        world_size=world_size,
        folder=folder,
        checkpoint_location=spec["checkpoints"],
        compute=spec["compute"],
        pipes=pipes,
        stop=Stop.of(spec["stop"]),
        beat=Beat(folder, rank),
    )
    model = _function(spec["function"])(run)
    if rank == 0:
        digest = export(run, model, folder / "artifact")
        partial = folder / "result.json.partial"
        partial.write_text(json.dumps({"digest": digest, "world_size": world_size} | _used(run)))
        partial.rename(folder / "result.json")


def _used(run: TrainingRun) -> dict[str, Any]:
    """What the training ran on, how fast, and how much of a GPU's memory it took."""
    used: dict[str, Any] = {"device": "cpu", "gpu_memory_bytes": 0}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        used = {"device": torch.cuda.get_device_name(), "gpu_memory_bytes": torch.cuda.max_memory_allocated()}
    return used | {"rows_per_second": run.meter.overall() * run.world_size}


def _function(path: str) -> Callable[[TrainingRun], Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@contextmanager
def _pipes(rank: int) -> Iterator[Any]:
    """Only rank 0 may talk to Dagster; and only when Dagster started it."""
    from dagster_pipes import PipesContext, open_dagster_pipes

    if rank != 0 or not launcher.started_by_dagster():
        yield None
        return
    with open_dagster_pipes():
        yield PipesContext.get()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
