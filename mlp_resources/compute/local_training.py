"""Training on this machine, in processes of its own that are seen by Dagster and end with it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from mlp_assets.artifact.manifest import verify
from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.heartbeat import hung
from mlp_assets.jobs.metrics_log import read_history
from mlp_assets.jobs.provenance import threads_of
from mlp_resources.compute.checkpoint_folder import checkpoints_of
from mlp_resources.compute.import_paths import folder_of
from mlp_resources.compute.processes import child_environment, die_with_parent, tree
from mlp_resources.ports.training import TrainingFailedError, TrainingJob, TrainingResult, TrainingStoppedError
from mlp_resources.registry.signing_key import KEY_VARIABLE

_POLL_SECONDS = 0.2
_SILENT = 2000
_TRAINING = "mlp_assets.training.main"
# How torch.distributed.run tells which of its processes failed first.
_FIRST_TO_FAIL = re.compile(r"Root Cause.*?rank\s*: (\d+) .*?exitcode\s*: (-?\d+) ", re.DOTALL)


class LocalRunner:
    """Starts a training in a process group of its own; several processes under ``torch.distributed.run``.

    Args:
        folder: of all runs.
        checkpoints: the address of a folder in an object store to keep checkpoints in; None for below ``folder``.
        device: ``cpu`` keeps trainings off the GPUs.
    """

    def __init__(self, folder: Path, checkpoints: str | None = None, device: str | None = None) -> None:
        self.folder, self.checkpoints, self.device = folder, checkpoints, device

    def run(self, job: TrainingJob, context: Any = None) -> TrainingResult:
        _check_machine(job)
        folder = self.folder / f"{job.name}-{uuid.uuid4().hex[:12]}"
        folder.mkdir(parents=True)
        with checkpoints_of(job, folder, self.folder, self.checkpoints) as checkpoints:
            _write_job(job, folder, checkpoints)
            return self._trained(job, folder, context)

    def _trained(self, job: TrainingJob, folder: Path, context: Any) -> TrainingResult:
        started, used = time.monotonic(), _Used()
        with _pipes_environment(context) as pipes, _log(folder).open("wb") as log:
            command = [sys.executable, *_launcher(job, folder), "-m", _TRAINING, str(folder / "spec.json")]
            process = subprocess.Popen(
                command,
                env=_environment(job, pipes, self.device),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            still = None
            try:
                while process.poll() is None and still is None:
                    used.look(process.pid)
                    still = hung(folder, job.patience_seconds)
                    time.sleep(_POLL_SECONDS)
            finally:
                end_group(process)
        if still is not None:
            raise TrainingFailedError(f"Training {job.name} was ended: {still}.")
        if (folder / STOPPED).exists():
            raise TrainingStoppedError((folder / STOPPED).read_text(), read_history(folder))
        if process.returncode != 0 or not (folder / "result.json").exists():
            raise TrainingFailedError(_why(job, folder, process.returncode))
        return _result(folder, time.monotonic() - started, used)


def _launcher(job: TrainingJob, folder: Path) -> list[str]:
    """One process needs none, and so no torch. This one alone reaps its workers, and starts as many as asked."""
    if job.processes == 1:
        return []
    command = ["-m", "torch.distributed.run", "--standalone", "--nnodes=1", f"--nproc-per-node={job.processes}"]
    return [*command, f"--log-dir={folder / 'ranks'}"]


def _check_machine(job: TrainingJob) -> None:
    if job.machines > 1:
        raise TrainingFailedError(
            f"Training {job.name} asks for {job.machines} machines, and here is one. Write machines=1, or run it in an "
            "environment with more."
        )
    if job.gpus:
        import torch

        if torch.cuda.device_count() < job.gpus:
            found = torch.cuda.device_count()
            raise TrainingFailedError(
                f"Training {job.name} asks for {job.gpus} GPUs, and here are {found}. Write gpus={found}, or leave it "
                "out to train on processors where there are too few."
            )


def end_group(process: "subprocess.Popen[bytes]", grace_seconds: float = 3.0) -> None:
    """Ends the process and everything that it started: asks first, then kills."""
    members = tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def _write_job(job: TrainingJob, folder: Path, checkpoints: str) -> None:
    spec = {
        "function": job.function,
        "table": job.table,
        "version": job.version,
        "checkpoints": checkpoints,
        "compute": dict(job.compute),
        "features": list(job.features),
        "encoders": dict(job.encoders),
        "target": job.target,
        "task": job.task,
        "classes": list(job.classes),
        "processes": job.processes,
        "seed": job.seed,
        "params": dict(job.params),
        "stop": dict(job.stop) if job.stop is not None else None,
    }
    (folder / "spec.json").write_text(json.dumps(spec))


@contextlib.contextmanager
def _pipes_environment(context: Any) -> Iterator[dict[str, str]]:
    if context is None:
        yield {}
        return
    import dagster as dg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        session = dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
        )
        with session as opened:
            yield dict(opened.get_bootstrap_env_vars())


def _environment(job: TrainingJob, pipes: dict[str, str], device: str | None = None) -> dict[str, str]:
    # Dagster has a code location's folder on its path only while it loads it.
    search = os.pathsep.join(path for path in [*sys.path, folder_of(job.function)] if path)
    told = {
        "OMP_NUM_THREADS": str(threads_of(job.processes * job.sharing)),
        "PYTHONPATH": search,
        "PYTHONUNBUFFERED": "1",
    }
    device = "cpu" if job.gpus == 0 else device
    return child_environment(told | ({"MLP_DEVICE": device} if device else {}) | pipes, without=[KEY_VARIABLE])


class _Used:
    """The greatest memory and the processor time of a tree of processes, as far as it was looked at."""

    def __init__(self) -> None:
        self.peak_memory_bytes = 0
        self._seconds: dict[int, float] = {}

    def look(self, pid: int) -> None:
        memory = 0
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                memory += process.memory_info().rss
                times = process.cpu_times()
                self._seconds[process.pid] = times.user + times.system
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory)

    @property
    def cpu_seconds(self) -> float:
        return sum(self._seconds.values())


def _log(folder: Path) -> Path:
    return folder / "log.txt"


def _why(job: TrainingJob, folder: Path, code: int | None) -> str:
    reasons = [json.loads(path.read_text()) for path in sorted(folder.glob("failure-*.json"))]
    if reasons:
        told = "; ".join(f"rank {reason['rank']}: {reason['reason']}" for reason in reasons)
        return f"Training {job.name} failed: {told}"
    log = _log(folder).read_text(errors="replace")
    tail = log[-_SILENT:]
    first = _FIRST_TO_FAIL.search(log)
    if first is not None:
        rank, status = first.groups()
        name = f"was ended by {signal.Signals(-int(status)).name}" if int(status) < 0 else f"ended with status {status}"
        told = log[: first.start()][-_SILENT:]
        return f"Training {job.name} failed: rank {rank} {name}, and the others with it. Lines before that:\n{told}"
    if code == 0:
        return f"Training {job.name} ended without a result, though its exit status was 0. Its last lines: {tail}"
    return f"Training {job.name} ended with status {code} and gave no reason. Its last lines:\n{tail}"


def _result(folder: Path, seconds: float, used: _Used) -> TrainingResult:
    told = json.loads((folder / "result.json").read_text())
    digest = told["digest"]
    verify(folder / "artifact", digest)
    return TrainingResult(
        folder / "artifact",
        digest,
        read_history(folder),
        seconds,
        used.peak_memory_bytes,
        used.cpu_seconds,
        told["device"],
        told["gpu_memory_bytes"],
        told["rows_per_second"],
    )
