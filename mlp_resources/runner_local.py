"""Training on this machine, in processes of its own that are seen by Dagster and end with it."""

import contextlib
import json
import os
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

from mlp_assets.engine.artifact import verify
from mlp_resources.importing import folder_of
from mlp_resources.ports_training import TrainingFailedError, TrainingJob, TrainingResult
from mlp_resources.processes import die_with_parent, tree

_POLL_SECONDS = 0.2
_SILENT = 2000


class LocalRunner:
    """Starts ``torch.distributed.run`` in its own process group, for one process too: it alone reaps its workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, job: TrainingJob, context: Any = None) -> TrainingResult:
        folder = self.folder / f"{job.name}-{uuid.uuid4().hex[:12]}"
        folder.mkdir(parents=True)
        _write_job(job, folder)
        started, peak = time.monotonic(), 0
        with _pipes_environment(context) as pipes, _log(folder).open("wb") as log:
            command = [
                sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1",
                f"--nproc-per-node={job.processes}", "-m", "mlp_assets.training.main", str(folder / "spec.json"),
            ]  # fmt: skip
            process = subprocess.Popen(
                command,
                env=_environment(job, pipes),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            try:
                while process.poll() is None:
                    peak = max(peak, _memory(process.pid))
                    time.sleep(_POLL_SECONDS)
            finally:
                end_group(process)
        if process.returncode != 0 or not (folder / "result.json").exists():
            raise TrainingFailedError(_why(job, folder, process.returncode))
        return _result(folder, time.monotonic() - started, peak)


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


def _write_job(job: TrainingJob, folder: Path) -> None:
    job.train.write_parquet(folder / "train.parquet")
    job.validation.write_parquet(folder / "validation.parquet")
    spec = {
        "function": job.function,
        "features": list(job.features),
        "target": job.target,
        "task": job.task,
        "processes": job.processes,
        "seed": job.seed,
        "params": dict(job.params),
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


def _environment(job: TrainingJob, pipes: dict[str, str]) -> dict[str, str]:
    threads = max(1, (os.cpu_count() or 1) // job.processes)
    # Dagster has a code location's folder on its path only while it loads it.
    search = os.pathsep.join(path for path in [*sys.path, folder_of(job.function)] if path)
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": search, "PYTHONUNBUFFERED": "1"} | pipes


def _memory(pid: int) -> int:
    total = 0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def _log(folder: Path) -> Path:
    return folder / "log.txt"


def _why(job: TrainingJob, folder: Path, code: int | None) -> str:
    reasons = [json.loads(path.read_text()) for path in sorted(folder.glob("failure-*.json"))]
    if reasons:
        told = "; ".join(f"rank {reason['rank']}: {reason['reason']}" for reason in reasons)
        return f"Training {job.name} failed: {told}"
    tail = _log(folder).read_text(errors="replace")[-_SILENT:]
    if code == 0:
        return f"Training {job.name} ended without a result, though its exit status was 0. Its last lines: {tail}"
    return f"Training {job.name} ended with status {code} and gave no reason. Its last lines:\n{tail}"


def _result(folder: Path, seconds: float, peak: int) -> TrainingResult:
    digest = json.loads((folder / "result.json").read_text())["digest"]
    verify(folder / "artifact", digest)
    history: list[tuple[int, str, float]] = []
    metrics = folder / "metrics.jsonl"
    for line in metrics.read_text().splitlines() if metrics.exists() else []:
        entry = json.loads(line)
        step = entry.pop("step")
        history += [(step, name, value) for name, value in entry.items()]
    return TrainingResult(folder / "artifact", digest, tuple(history), seconds, peak)
