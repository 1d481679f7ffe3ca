"""The port of training jobs: submit, poll, cancel and read the logs of a job that may outlive who submitted it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from mlp_assets.errors import MlpError
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.jobs.local_folder import local_folder

JobState = Literal["queued", "starting", "running", "succeeded", "stopped", "failed", "cancelled"]
History = tuple[tuple[int, str, float], ...]
_POLL_SECONDS = 0.1
_ENDED = ("succeeded", "stopped", "failed", "cancelled")


class TrainingFailedError(MlpError):
    """A training ended without a model; the message gives the reason, in the training's own words where it has any."""


class TrainingStoppedError(TrainingFailedError):
    """A trial was stopped early, as the search asked for; ``history`` is what it logged until then."""

    def __init__(self, reason: str, history: History) -> None:
        super().__init__(reason)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.history)


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a training: a verified artifact, the logged metrics, and the resources used.

    Args:
        artifact: the address of the artifact's folder, ``file://`` or of an object store.
        history: the logged metrics as (step, name, value).
        seconds: wall time from start to end.
        peak_memory_bytes, cpu_seconds: summed over all processes of the training.
        rows_per_second: rows that the loaders yielded, over all processes; 0 without a loader.
    """

    artifact: str
    digest: str
    history: History
    seconds: float
    peak_memory_bytes: int
    cpu_seconds: float = 0.0
    device: str = "cpu"
    gpu_memory_bytes: int = 0
    rows_per_second: float = 0.0

    @property
    def folder(self) -> Path:
        """The artifact's files on this machine; downloaded on first use where they are elsewhere."""
        return local_folder(self.artifact)


@dataclass(frozen=True)
class JobHandle:
    """A submitted job: its name, and the address of the attempt that the runner started or attached to."""

    name: str
    address: str


@dataclass(frozen=True)
class JobStatus:
    """The state of a job.

    Args:
        state: ``queued`` waits for room, ``starting`` has no running process yet, ``stopped`` is an early stop.
        reason: why it did not succeed; of one that has not ended, what it waits for.
        result: of a job that succeeded.
        history: the metrics that a stopped job had logged.
    """

    state: JobState
    reason: str = ""
    result: TrainingResult | None = None
    history: History = ()

    @property
    def ended(self) -> bool:
        return self.state in _ENDED


@dataclass(frozen=True)
class LogPart:
    """Whole lines of a job's log, and the offset in bytes at which the next part begins."""

    lines: tuple[str, ...]
    next_offset: int


class TrainingRunner(Protocol):
    """Runs trainings outside of this process."""

    @property
    def outlives_runs(self) -> bool:
        """Whether a job goes on when the machine of its run goes away, for the next run to find."""
        ...

    def submit(self, spec: JobSpec) -> JobHandle:
        """Starts the job, or attaches to the one of the same name.

        It attaches to a job that is running, and to one that succeeded but whose result nobody has polled, or that was
        polled for the same ``asked_by``. Otherwise a new attempt starts, from the newest checkpoint of an interrupted
        one.

        Raises:
            TrainingFailedError: this environment cannot run the job.
        """
        ...

    def poll(self, handle: JobHandle) -> JobStatus:
        """The current state. Polling also tells the job that somebody waits for it."""
        ...

    def cancel(self, handle: JobHandle) -> None:
        """Ends the job and waits until its processes are gone. Does nothing to a job that has ended."""
        ...

    def logs(self, handle: JobHandle, offset: int = 0) -> LogPart:
        """The next part of the job's output; without lines when there is nothing new."""
        ...


def run_job(
    runner: TrainingRunner,
    spec: JobSpec,
    log: Callable[[str], None] | None = None,
    goes_on: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Submits a job, or attaches to it, and waits for its result. An exception in this process cancels the job.

    Args:
        goes_on: asked at an exception: whether the job shall go on, because another process will wait for it.
        log: called with each line that the training logs for people: metrics, notes of the runner, and what it waits
            for.

    Raises:
        TrainingStoppedError: the job was stopped early.
        TrainingFailedError: it failed or was cancelled.
    """
    handle, offset, waits = runner.submit(spec), 0, ""
    try:
        while not (status := runner.poll(handle)).ended:
            if log is not None and status.reason not in ("", waits):
                log(f"{status.state}: {status.reason}")
            waits, offset = status.reason, _forward(runner, handle, offset, log)
            time.sleep(_POLL_SECONDS)
    except BaseException:
        if not goes_on():
            runner.cancel(handle)
        raise
    while log is not None and (after := _forward(runner, handle, offset, log)) > offset:
        offset = after
    if status.state == "stopped":
        raise TrainingStoppedError(status.reason, status.history)
    if status.result is None:
        raise TrainingFailedError(status.reason)
    return status.result


# Lines of the log with one of these beginnings are for people who follow a run; all others stay in the log.
STEP_LINE, NOTE_LINE = "step ", "note: "


def _forward(runner: TrainingRunner, handle: JobHandle, offset: int, log: Callable[[str], None] | None) -> int:
    if log is None:
        return offset
    part = runner.logs(handle, offset)
    for line in part.lines:
        if line.startswith((STEP_LINE, NOTE_LINE)):
            log(line)
    return part.next_offset
