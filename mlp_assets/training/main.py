"""The training process: ``python -m torch.distributed.run ... -m mlp_assets.training.main SPEC.json``."""

import atexit
import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.files import replace_text
from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.heartbeat import Heartbeat
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.classes import Classes
from mlp_assets.training import launcher
from mlp_assets.training.early_stop import EarlyStop, StoppedEarly
from mlp_assets.training.export import export
from mlp_assets.training.part_rows import PartRows
from mlp_assets.training.run import Split, TrainingRun


def main(spec_path: str) -> int:
    """Trains as the spec says, and returns the exit status.

    Rank 0 writes ``result.json`` last. A process that fails writes ``failure-RANK.json`` with the reason.
    """
    folder = Path(spec_path).parent
    rank, world_size = launcher.rank(), launcher.world_size()
    try:
        spec = JobSpec.from_json(Path(spec_path).read_text())
        if world_size != spec.processes:
            raise MlpError(f"{spec.processes} processes were asked for and {world_size} started.")
        _train(spec, folder, rank, world_size)
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


def _train(spec: JobSpec, folder: Path, rank: int, world_size: int) -> None:
    encoding, classes = Encoding.from_dict(spec.features, spec.encoders), Classes(spec.classes)
    splits = [
        Split(PartRows(spec.table, spec.version, part, encoding, spec.target, classes))
        for part in ("train", "validation")
    ]
    run = TrainingRun(
        train=splits[0],
        validation=splits[1],
        encoding=encoding,
        classes=classes.values,
        target=spec.target,
        task=spec.task,
        seed=spec.seed,
        params=spec.params,
        rank=rank,
        world_size=world_size,
        folder=folder,
        checkpoint_location=spec.checkpoints,
        resume_from=spec.resume_from,
        compute=spec.compute,
        stop=EarlyStop.from_spec(spec.stop),
        heartbeat=Heartbeat(folder, rank),
    )
    model = _import_function(spec.function)(run)
    if rank == 0:
        digest = export(run, model, folder / "artifact")
        replace_text(folder / "result.json", json.dumps({"digest": digest, "world_size": world_size} | _usage(run)))


def _usage(run: TrainingRun) -> dict[str, Any]:
    """The device, the rows per second over all processes, and the GPU memory of this process."""
    usage: dict[str, Any] = {"device": "cpu", "gpu_memory_bytes": 0}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        usage = {"device": torch.cuda.get_device_name(), "gpu_memory_bytes": torch.cuda.max_memory_allocated()}
    return usage | {"rows_per_second": run.meter.overall_rate() * run.world_size}


def _import_function(path: str) -> Callable[[TrainingRun], Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def leave(status: int) -> NoReturn:
    """Ends the process as Python does, but for the destructors of C++ libraries.

    They end while threads of other libraries still run, and now and then abort a process whose work is done ("terminate
    called without an active exception"). A training would fail by it.
    """
    threading._shutdown()  # waits for threads that are no daemons  # pyrefly: ignore[missing-attribute]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1]))
