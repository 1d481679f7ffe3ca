"""The final status of an attempt, from what its pods left in the object store."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp_assets.jobs.early_stop import STOPPED
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.jobs.metrics_log import METRICS_LOG
from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.compute.local_outcome import outcome
from mlp_resources.compute.memory import format_bytes
from mlp_resources.kubernetes.attempts import ARTIFACT, RESULT, SPEC, Attempt, log_folder
from mlp_resources.kubernetes.training_job import memory_of
from mlp_resources.ports.training import JobStatus


def final_status(attempt: Attempt, folder: Path, ends: Mapping[int, Mapping[str, Any]], index: int) -> JobStatus:
    """The status of an attempt that has ended.

    Args:
        folder: on this machine, for the result.
        ends: index of a pod -> what it left.
        index: the pod that decided how the attempt ended.

    Raises:
        ArtifactError: the artifact was changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job, there = JobFolder(folder), attempt.folder
    for name in (SPEC, METRICS_LOG, RESULT):
        data = there.read(name)
        if data is not None:
            (folder / name).write_bytes(data)
    if (folder / RESULT).exists():
        there.download(ARTIFACT, folder / ARTIFACT)
    pieces = [there.read(f"{log_folder(index)}/{name}") or b"" for name in there.names(log_folder(index))]
    job.log.write_bytes(b"".join(pieces))
    for failure in ends[index]["failures"]:
        (folder / f"failure-{failure['rank']}.json").write_text(json.dumps(failure))
    if ends[index]["stopped"] is not None:
        (folder / STOPPED).write_text(ends[index]["stopped"])
    sums = {name: sum(end[name] for end in ends.values()) for name in ("peak_memory_bytes", "cpu_seconds")}
    job.write_end({**ends[index], **sums, "seconds": max(end["seconds"] for end in ends.values())})
    return outcome(job)


def killed_for_memory(spec: JobSpec, index: int) -> JobStatus:
    """The status of a training of which a pod went over its limit of memory."""
    return JobStatus(
        "failed",
        f"Pod {index} of training {spec.name} was killed because it needed more than its "
        f"{format_bytes(memory_of(spec))} of memory. Give it more by memory= of its compute, or let it need less: a "
        "smaller batch size, or fewer processes.",
    )
