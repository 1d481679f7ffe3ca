"""Trainings on this machine: submitted, found again by name, polled, cancelled.

A job runs under a detached supervisor process (``local_supervisor.py``), so it outlives the process that submitted it.
When a killed step runs again it submits the same job, attaches to it and takes its result. All state is in the job's
folder, ``NAME.ATTEMPT`` below the runs; nothing is kept in memory.

No job stays behind. Polling renews a lease; without a poll for ``orphan_seconds`` the supervisor ends the training, and
a later submit resumes from its checkpoints. An exception in the waiting process, such as a cancelled Dagster run,
cancels the job at once (``run_job``). When the supervisor is killed, the kernel ends the training with it.

An attempt is a lease of the job's checkpoints, and its number is the fencing number. The supervisor renews the lease;
an attempt whose supervisor is stopped for a minute loses it to the next one, and its checkpoints are refused from then
on. Machines that share an object store of checkpoints but not this folder are not kept apart.

Metrics reach Dagster's run log through the port, too: ``run_job`` reads the log and hands their lines to its caller. A
process that attaches later sees them from the first one, and a training needs to know nothing about Dagster.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlp_assets.files import replace_text
from mlp_assets.jobs.fence import Fence, locked_record
from mlp_assets.jobs.heartbeat import has_begun
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.jobs.local_folder import local_folder
from mlp_resources.compute.checkpoint_folder import checkpoint_address
from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.compute.local_machine import check_machine, notes, training_environment
from mlp_resources.compute.local_outcome import is_free, outcome, succeeded
from mlp_resources.compute.processes import end, kill
from mlp_resources.ports.training import NOTE_LINE, JobHandle, JobStatus, LogPart, TrainingFailedError

_SUPERVISOR, _TRAINING = "mlp_resources.compute.local_supervisor", "mlp_assets.training.main"
_ENDING_SECONDS, _LOOK_SECONDS = 20.0, 0.05
# About 150 lines: Dagster takes up to 60 ms to log one, and the lease is not renewed meanwhile.
_LOG_BYTES = 8192


@dataclass(frozen=True)
class LocalRunner:
    """Runs each training in a process group of its own; several processes under ``torch.distributed.run``.

    Args:
        folder: of all runs.
        checkpoints: the address of a folder in an object store that keeps checkpoints; None for below ``folder``.
        device: ``cpu`` keeps trainings off the GPUs.
        orphan_seconds: how long a training goes on when nobody polls it.
        inherited: gives the environment variables of every process of the platform.
    """

    folder: Path
    checkpoints: str | None = None
    device: str | None = None
    orphan_seconds: float = 60.0
    inherited: Callable[[], Mapping[str, str]] = os.environ.copy

    @property
    def outlives_runs(self) -> bool:
        return False

    def submit(self, spec: JobSpec) -> JobHandle:
        check_machine(spec)
        name = spec.job_name
        if name is None:
            return self._start(spec, f"{spec.name}-{uuid.uuid4().hex[:12]}", 1)
        with locked_record(self._record(name)):
            number, newest = self._newest(name)
            if newest is not None and newest.is_stalled():
                kill(newest.processes())
            if newest is not None and (_renew(newest) or (succeeded(newest) and is_free(newest, spec.asked_by))):
                return JobHandle(name, newest.path.as_uri())
            if newest is not None:
                end(newest.processes())  # ranks that outlived a killed supervisor
            return self._start(spec, name, number + 1, Fence(str(self._record(name)), number + 1))

    def poll(self, handle: JobHandle) -> JobStatus:
        job = _job(handle)
        job.lease.touch()
        if job.is_supervised():
            return JobStatus("running" if has_begun(job.path) else "starting")
        return outcome(job)

    def cancel(self, handle: JobHandle) -> None:
        job, deadline = _job(handle), time.monotonic() + _ENDING_SECONDS
        while job.is_supervised():
            job.cancel.touch()
            if time.monotonic() > deadline:
                end(job.processes())
                return
            time.sleep(_LOOK_SECONDS)

    def logs(self, handle: JobHandle, offset: int = 0) -> LogPart:
        with _job(handle).log.open("rb") as file:
            file.seek(offset)
            data = file.read(_LOG_BYTES)
        whole = data[: data.rfind(b"\n") + 1] or (data if len(data) == _LOG_BYTES else b"")
        return LogPart(tuple(whole.decode(errors="replace").splitlines()), offset + len(whole))

    def _newest(self, name: str) -> tuple[int, JobFolder | None]:
        """The newest attempt of a job, and its number; 0 and None before the first."""
        prefix = f"{name}."
        endings = [path.name[len(prefix) :] for path in self.folder.iterdir() if path.name.startswith(prefix)]
        number = max((int(ending) for ending in endings if ending.isdecimal()), default=0)
        return number, JobFolder(self.folder.absolute() / f"{name}.{number}") if number else None

    def _record(self, name: str) -> Path:
        return self.folder.absolute() / "locks" / f"{name}.lease"

    def _start(self, spec: JobSpec, name: str, number: int, fence: Fence | None = None) -> JobHandle:
        job = JobFolder(self.folder.absolute() / f"{name}.{number}")
        checkpoints = checkpoint_address(spec, job.path, self.folder.absolute(), self.checkpoints)
        job.path.mkdir(parents=True)
        if fence is not None:
            fence.give(job.path)
            replace_text(Path(fence.record), json.dumps({"number": number, "owner": f"attempt {number}"}), durable=True)
        job.spec.write_text(replace(spec, checkpoints=checkpoints).to_json())
        job.write_orders(
            {
                "command": [sys.executable, *_launcher(spec, job), "-m", _TRAINING, str(job.spec)],
                "patience_seconds": spec.patience_seconds,
                "orphan_seconds": self.orphan_seconds,
            }
        )
        job.lease.touch()
        handle = JobHandle(name, job.path.as_uri())
        try:
            self._start_supervisor(spec, job)
        except BaseException:  # an interrupt may come when the supervisor has detached already
            self.cancel(handle)
            raise
        return handle

    def _start_supervisor(self, spec: JobSpec, job: JobFolder) -> None:
        with job.log.open("w") as log:
            log.writelines(f"{NOTE_LINE}{note}\n" for note in notes(spec))
            log.flush()
            started = subprocess.run(
                [sys.executable, "-m", _SUPERVISOR, str(job.path)],
                env=training_environment(spec, self.inherited(), self.device),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if started.returncode != 0:
            raise TrainingFailedError(f"Training {spec.name} could not be started:\n{job.log.read_text()}")


def _launcher(spec: JobSpec, job: JobFolder) -> list[str]:
    """No launcher (hence no torch import) for one process.

    torchrun is the only launcher that starts the requested count and reaps its workers.
    """
    if spec.processes == 1:
        return []
    command = ["-m", "torch.distributed.run", "--standalone", "--nnodes=1", f"--nproc-per-node={spec.processes}"]
    return [*command, f"--log-dir={job.path / 'ranks'}"]


def _job(handle: JobHandle) -> JobFolder:
    return JobFolder(local_folder(handle.address))


def _renew(job: JobFolder) -> bool:
    """Renews the lease of a running job; False for one that has ended, after waiting for one that is ending."""
    job.lease.touch()
    while job.is_supervised():
        if not job.cancel.exists():
            return True
        time.sleep(_LOOK_SECONDS)
    return False
