"""The supervisor of one local training: ``python -m mlp_resources.compute.local_supervisor FOLDER``.

It returns at once and leaves a detached process behind, which starts the training and measures it. It ends the training
when the job is cancelled, when a process stalls, and when nobody polled for ``orphan_seconds``. When the supervisor
itself is killed, the kernel ends the training.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from mlp_resources.compute.job_folder import JobFolder
from mlp_resources.compute.memory import KillWatch, read_memory
from mlp_resources.compute.processes import KILL_TRAINING, die_with_parent, end_group, offer_to_kernel, tree

_LOOK_SECONDS = 0.2
CANCELLED, ORPHANED, STALLED, TERMINATED = "cancelled", "orphaned", "stalled", "terminated"


def main(folder: str) -> None:
    """Takes the lock and detaches. The lock belongs to the open file, so the detached process keeps it."""
    job = JobFolder(Path(folder))
    lock = os.open(job.lock, os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork():
        return
    os.setsid()
    supervise(job)


def supervise(job: JobFolder) -> None:
    """Starts the training that the orders name, and leaves ``end.json`` when its processes have ended.

    Raises:
        SystemExit: this process got SIGTERM; the training was ended with it.
    """
    orders, usage, killed, started = job.orders(), Usage(), KillWatch(), time.monotonic()
    ended_by, detail = TERMINATED, ""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))
    process = subprocess.Popen(
        orders["command"], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_prepare_training
    )
    try:
        ended_by, detail = _watch(job, process, usage, orders["patience_seconds"], Lease(job, orders["orphan_seconds"]))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_group(process)
        job.write_end(
            {
                "ended_by": ended_by,
                "detail": detail,
                "exit_code": process.returncode,
                "seconds": time.monotonic() - started,
                "peak_memory_bytes": usage.peak_memory_bytes,
                "cpu_seconds": usage.cpu_seconds,
                "memory_kills": killed.kills(),
                "memory_limit": read_memory().limit,
            }
        )


def _prepare_training() -> None:
    die_with_parent()
    offer_to_kernel(KILL_TRAINING)


def _watch(
    job: JobFolder, process: "subprocess.Popen[bytes]", usage: "Usage", patience_seconds: float, lease: "Lease"
) -> tuple[str, str]:
    """Why the training is to end, and a detail; empty when it ended by itself."""
    started = time.monotonic()
    while process.poll() is None:
        usage.measure(process.pid)
        job.beat.touch()
        if job.cancel.exists():
            return CANCELLED, ""
        if lease.expired():
            return ORPHANED, ""
        if time.monotonic() - started > patience_seconds:
            # Imported only now: the platform's package takes longer to import than many a training to run.
            from mlp_assets.jobs.heartbeat import stalled_rank

            detail = stalled_rank(job.path, patience_seconds)
            if detail is not None:
                return STALLED, detail
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
    return "", ""


class Lease:
    """Whether somebody still polls. A monotonic clock: suspending the machine ends no training."""

    def __init__(self, job: JobFolder, orphan_seconds: float) -> None:
        self._job, self._orphan_seconds = job, orphan_seconds
        self._renewed, self._since = self._stamp(), time.monotonic()

    def expired(self) -> bool:
        """True when nobody polled for too long; from then on nobody attaches to the job."""
        if self._was_renewed() or time.monotonic() - self._since <= self._orphan_seconds:
            return False
        self._job.cancel.touch()
        if self._was_renewed():  # somebody attached in this very moment
            self._job.cancel.unlink()
            return False
        return True

    def _was_renewed(self) -> bool:
        stamp = self._stamp()
        if stamp == self._renewed:
            return False
        self._renewed, self._since = stamp, time.monotonic()
        return True

    def _stamp(self) -> int:
        return self._job.lease.stat().st_mtime_ns


class Usage:
    """The peak memory and the CPU time of a process tree, sampled."""

    def __init__(self) -> None:
        self.peak_memory_bytes = 0
        self._cpu_seconds: dict[int, float] = {}

    def measure(self, pid: int) -> None:
        memory = 0
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                memory += process.memory_info().rss
                times = process.cpu_times()
                self._cpu_seconds[process.pid] = times.user + times.system
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory)

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu_seconds.values())


if __name__ == "__main__":
    main(sys.argv[1])
