"""How a local job ended: read from what its supervisor and its processes wrote."""

import contextlib
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp_assets.artifact.manifest import verify
from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.fence import Fence, LeaseLostError
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.jobs.metrics_log import read_metrics
from mlp_resources.compute.checkpoint_folder import delete_checkpoints
from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.compute.local_supervisor import CANCELLED, ORPHANED, STALLED, TERMINATED
from mlp_resources.compute.memory import format_bytes
from mlp_resources.ports.training import JobStatus, TrainingResult

_TAIL = 2000
_HELPER_KILLED = "is killed by signal: Killed"  # how torch tells of a process of a DataLoader
# How torch.distributed.run reports a process that was killed, and which of its processes failed first.
_KILLED_RANK = re.compile(r"rank\s*: (\d+) \(local_rank: \d+\)\s*exitcode\s*: -9 ")
_FIRST_TO_FAIL = re.compile(r"Root Cause.*?rank\s*: (\d+) .*?exitcode\s*: (-?\d+) ", re.DOTALL)


def succeeded(job: JobFolder) -> bool:
    """Whether the job ended with a result."""
    end = job.end()
    return end is not None and end["exit_code"] == 0 and not end["ended_by"] and _result_file(job).exists()


def is_free(job: JobFolder, asked_by: str) -> bool:
    """Whether the result is to be had: nobody took it, or the same one did, who may have been killed with it."""
    return not job.taken.exists() or (asked_by != "" and job.taken.read_text() == asked_by)


def outcome(job: JobFolder) -> JobStatus:
    """The final status of a job without a supervisor.

    A result is marked as taken, so that the next submit of somebody else trains again, and its checkpoints are deleted.

    Raises:
        ArtifactError: the artifact was changed.
    """
    spec, end = JobSpec.from_json(job.spec.read_text()), job.end()
    if succeeded(job) and end is not None:
        job.taken.write_text(spec.asked_by)
        result = _result(job, end)
        _delete_checkpoints(job, spec.checkpoints)
        return JobStatus("succeeded", result=result)
    if end is None or end["ended_by"] == TERMINATED:
        return JobStatus("failed", f"Training {spec.name} was ended with its supervisor. Its last lines:\n{_tail(job)}")
    if end["ended_by"] == CANCELLED:
        return JobStatus("cancelled", f"Training {spec.name} was cancelled.")
    if end["ended_by"] == STALLED:
        return JobStatus("failed", f"Training {spec.name} was ended: {end['detail']}.")
    if end["ended_by"] == ORPHANED:
        reason = f"Training {spec.name} was ended: nobody waited for it. Run it again to resume from its checkpoints."
        return JobStatus("failed", reason)
    if (job.path / STOPPED).exists():
        return JobStatus("stopped", (job.path / STOPPED).read_text(), history=read_metrics(job.path))
    return JobStatus("failed", _killed_for_memory(job, spec.name, end) or _failure(job, spec.name, end["exit_code"]))


def _delete_checkpoints(job: JobFolder, address: str) -> None:
    fence = Fence.of_job(job.path)
    with contextlib.suppress(LeaseLostError), fence.write() if fence is not None else contextlib.nullcontext():
        delete_checkpoints(address)


def _result_file(job: JobFolder) -> Path:
    return job.path / "result.json"


def _result(job: JobFolder, end: dict[str, float]) -> TrainingResult:
    written = json.loads(_result_file(job).read_text())
    artifact = job.path / "artifact"
    verify(artifact, written["digest"])
    return TrainingResult(
        artifact=artifact.as_uri(),
        digest=written["digest"],
        history=read_metrics(job.path),
        seconds=end["seconds"],
        peak_memory_bytes=int(end["peak_memory_bytes"]),
        cpu_seconds=end["cpu_seconds"],
        device=written["device"],
        gpu_memory_bytes=written["gpu_memory_bytes"],
        rows_per_second=written["rows_per_second"],
    )


def _killed_for_memory(job: JobFolder, name: str, end: Mapping[str, Any]) -> str | None:
    """Names the process that the kernel killed for memory; None where it killed none."""
    if not end.get("memory_kills"):  # an attempt of an earlier version has no such key
        return None
    rank = _KILLED_RANK.search(job.log.read_text(errors="replace"))
    helper = any(_HELPER_KILLED in path.read_text() for path in job.path.glob("failure-*.json"))
    if end["exit_code"] != -signal.SIGKILL and rank is None and not helper:
        return None
    victim = f"Rank {rank[1]} of training {name}" if rank else f"Training {name}"
    return (
        f"{victim} was killed by the kernel because memory ran out: the training held up to "
        f"{format_bytes(end['peak_memory_bytes'])} of the {end['memory_limit']}. Give it more memory, or let it need "
        "less: a smaller batch size, fewer processes, or fewer trials at a time."
    )


def _failure(job: JobFolder, name: str, exit_code: int | None) -> str:
    failures = [json.loads(path.read_text()) for path in sorted(job.path.glob("failure-*.json"))]
    if failures:
        reasons = "; ".join(f"rank {failure['rank']}: {failure['reason']}" for failure in failures)
        return f"Training {name} failed: {reasons}"
    log = job.log.read_text(errors="replace")
    first = _FIRST_TO_FAIL.search(log)
    if first is not None:
        rank, status = first.groups()
        ending = f"was ended by {signal.Signals(-int(status)).name}" if int(status) < 0 else f"exited with {status}"
        before = log[: first.start()][-_TAIL:]
        return f"Training {name} failed: rank {rank} {ending}, and the others with it. Lines before that:\n{before}"
    if exit_code == 0:
        return f"Training {name} exited with status 0 but left no result. Its last lines:\n{_tail(job)}"
    return f"Training {name} exited with status {exit_code} and gave no reason. Its last lines:\n{_tail(job)}"


def _tail(job: JobFolder) -> str:
    return job.log.read_text(errors="replace")[-_TAIL:]
