"""Trainings as Jobs of a Kubernetes cluster: submitted, found again by name, polled, cancelled.

An attempt is one Indexed Job with a headless Service and a folder in an object store (``attempts.py``). Nothing else
knows of it: whoever submits the training again finds its attempt by name, so a killed step, run or daemon neither costs
nor doubles it. What the cluster does to an attempt, a pod that is deleted, evicted or killed and a node that is lost,
begins the next one, which goes on from the newest checkpoint. A user's error ends the training at once.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.kubernetes.attempts import (
    CANCELLED,
    CHECKPOINTS,
    ENDED,
    RESULT,
    SPEC,
    Attempt,
    Attempts,
    is_free,
    taken_file,
)
from mlp_resources.kubernetes.cluster_objects import ClusterObjects, is_outage
from mlp_resources.kubernetes.endings import why_it_ended
from mlp_resources.kubernetes.job_states import JobState, job_state, still_speaking
from mlp_resources.kubernetes.log_reader import LogReader
from mlp_resources.kubernetes.object_folder import ObjectFolder
from mlp_resources.kubernetes.outcomes import final_status, killed_for_memory
from mlp_resources.kubernetes.training_job import Place, job_objects, object_name
from mlp_resources.kubernetes.waiting import Waiting, waiter
from mlp_resources.ports.training import JobHandle, JobStatus, LogPart

_LOOK_SECONDS, _WORD_SECONDS, _GONE_SECONDS = 2.0, 40.0, 90.0
_PATIENCE_SECONDS = 600.0  # while the cluster or the object store does not answer
_MOST_DISRUPTIONS = 20


@dataclass
class _Followed:
    """What this process knows of a training that it polls."""

    spec: JobSpec
    attempts: Attempts
    waiting: Waiting
    log: LogReader
    answered: float
    status: JobStatus = field(default_factory=lambda: JobStatus("queued"))
    looked: float = float("-inf")
    starting: float | None = None
    pulling: float | None = None


@dataclass(frozen=True)
class KubernetesRunner:
    """Runs each training in pods of the cluster.

    Args:
        root: the address of all trainings in an object store that this process and the pods reach.
        folder: of the results on this machine.
        start_seconds: how long an attempt may take from its node to its first process.
        pull_seconds: how long its image may be missing.
    """

    root: str
    folder: Path
    place: Place
    start_seconds: float = 1200.0
    pull_seconds: float = 300.0
    clock: Callable[[], float] = time.monotonic
    _followed: dict[str, _Followed] = field(default_factory=dict[str, _Followed])

    @property
    def outlives_runs(self) -> bool:
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        """A trial in another process follows its own trainings, with connections of its own."""
        return type(self), (self.root, self.folder, self.place, self.start_seconds, self.pull_seconds)

    def submit(self, spec: JobSpec) -> JobHandle:
        name = spec.job_name or f"{spec.name}-{uuid.uuid4().hex[:12]}"
        handle = JobHandle(name, f"{self.root}/{name}")
        followed = self._followed[name] = self._follow(spec, handle)
        attempt = followed.attempts.newest()
        while attempt is None or self._is_over(attempt, name, spec):
            if attempt is not None:
                self._objects.delete(object_name(name, attempt.number))  # nobody saw it fail
            claimed = followed.attempts.claim((attempt.number if attempt else 0) + 1, {"time": time.time()})
            attempt = claimed or followed.attempts.newest()
        followed.waiting.renew()
        self._create(followed, attempt, name)
        return handle

    def poll(self, handle: JobHandle) -> JobStatus:
        followed, now = self._followed[handle.name], self.clock()
        if followed.status.ended or now - followed.looked < _LOOK_SECONDS:
            return followed.status
        followed.looked = now
        try:
            followed.waiting.renew()
            followed.status = self._look(followed, handle.name)
            followed.answered = now
        except Exception as error:
            if not is_outage(error) or now - followed.answered > _PATIENCE_SECONDS:
                raise
        if followed.status.ended:
            followed.waiting.end()
        return followed.status

    def cancel(self, handle: JobHandle) -> None:
        """As the port says; a training for which another process waits goes on."""
        followed = self._followed[handle.name]
        followed.waiting.end()
        attempt = followed.attempts.newest()
        if attempt is None or followed.status.ended or followed.waiting.others():
            return
        attempt.folder.create(CANCELLED, {"time": time.time()})
        name, deadline = object_name(handle.name, attempt.number), time.monotonic() + _GONE_SECONDS
        self._objects.delete(name)
        while self._objects.pods(name) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def logs(self, handle: JobHandle, offset: int = 0) -> LogPart:
        followed = self._followed[handle.name]
        return followed.log.read(offset, now=followed.status.ended)

    @cached_property
    def _objects(self) -> ClusterObjects:
        return ClusterObjects(self.place.namespace)

    def _follow(self, spec: JobSpec, handle: JobHandle) -> _Followed:
        attempts = Attempts(ObjectFolder(handle.address))
        waiting = Waiting(attempts.root, waiter(spec.asked_by))
        return _Followed(spec, attempts, waiting, LogReader(attempts, self.clock), self.clock())

    def _is_over(self, attempt: Attempt, name: str, spec: JobSpec) -> bool:
        """Whether a new attempt has to begin: this one was taken or ended, or its Job has failed."""
        marks = set(attempt.folder.names())
        if marks & {CANCELLED, ENDED} or not is_free(marks, spec.asked_by):
            return True
        if RESULT in marks:
            return False
        state = self._state(attempt, name, spec)
        return state.stage == "ending" or (state.stage == "gone" and bool(attempt.ends(spec.machines)))

    def _create(self, followed: _Followed, attempt: Attempt, name: str) -> None:
        """Creates the attempt's objects, unless they are there: the process that began it may have been killed."""
        if attempt.folder.read(SPEC) is None:
            checkpoints = attempt.folder.below(CHECKPOINTS).address
            resumed = followed.attempts.checkpoint_before(attempt.number)
            spec = replace(followed.spec, checkpoints=checkpoints, resume_from=resumed)
            attempt.folder.write(SPEC, spec.to_json().encode())
        if attempt.folder.read(RESULT) is None:
            objects = job_objects(followed.spec, name, attempt.number, attempt.folder.address, self.place)
            self._objects.create(objects)

    def _state(self, attempt: Attempt, name: str, spec: JobSpec) -> JobState:
        objects, job_name = self._objects, object_name(name, attempt.number)
        job = objects.job(job_name)
        pods = objects.pods(job_name) if job is not None else []
        missing = job is not None and len(pods) < spec.machines and not job.spec.suspend
        return job_state(job, pods, spec.machines, objects.refusals(job_name) if missing else ())

    def _look(self, followed: _Followed, name: str) -> JobStatus:
        attempt = followed.attempts.newest()
        assert attempt is not None
        state, marks = self._state(attempt, name, followed.spec), set(attempt.folder.names())
        if state.stage in ("complete", "gone") and RESULT in marks:
            return self._succeeded(followed, attempt, name)
        if CANCELLED in marks:
            return JobStatus("cancelled", f"Training {followed.spec.name} was cancelled.")
        ended = attempt.folder.read_json(ENDED) if ENDED in marks else None  # another run that waits has seen it
        if ended is not None and ended["kind"] == "failed":
            return JobStatus("failed", ended["reason"])
        match state.stage:
            case "gone" if ended is None and not attempt.ends(followed.spec.machines):
                self._create(followed, attempt, name)  # somebody deleted it
                return JobStatus("starting", "its Job is made again")
            case "ending" | "complete" | "gone":
                return self._ending(followed, attempt, name, state)
            case "queued":
                followed.starting = followed.pulling = None
                return JobStatus("queued", state.cause)
            case "starting":
                return self._starting(followed, attempt, name, state)
            case "running":
                return JobStatus("running")

    def _starting(self, followed: _Followed, attempt: Attempt, name: str, state: JobState) -> JobStatus:
        now = self.clock()
        followed.starting = followed.starting or now
        followed.pulling = (followed.pulling or now) if state.image else None
        for since, limit in ((followed.starting, self.start_seconds), (followed.pulling, self.pull_seconds)):
            if since is not None and now - since > limit:
                reason = f"Training {followed.spec.name} did not start within {limit:.0f} s: {state.cause}"
                return self._failed(attempt, name, JobStatus("failed", reason))
        return JobStatus("starting", state.cause)

    def _succeeded(self, followed: _Followed, attempt: Attempt, name: str) -> JobStatus:
        ends = attempt.ends(followed.spec.machines)
        status = final_status(attempt, self.folder / f"{name}.{attempt.number}", ends, min(ends))
        attempt.folder.create(taken_file(followed.spec.asked_by), {"time": time.time()})
        followed.attempts.delete_checkpoints(attempt.number)
        self._objects.delete(object_name(name, attempt.number))
        return status

    def _ending(self, followed: _Followed, attempt: Attempt, name: str, state: JobState) -> JobStatus:
        """Waits for the word of the pods that are still ending, then decides."""
        spec, pods = followed.spec, self._objects.pods(object_name(name, attempt.number))
        ends = attempt.ends(spec.machines)  # after the pods: one that has ended has left its word
        late = state.since is not None and time.time() - state.since.timestamp() > _WORD_SECONDS
        if not late and still_speaking(pods) - ends.keys():
            return JobStatus("running", "its pods end")
        ending = why_it_ended(ends, spec.machines, state.memory)
        if ending.kind == "disrupted" and attempt.number <= _MOST_DISRUPTIONS:
            attempt.folder.create(ENDED, {"kind": ending.kind, "reason": ending.reason})
            self._objects.delete(object_name(name, attempt.number))
            following = followed.attempts.claim(attempt.number + 1, {"time": time.time()}) or followed.attempts.newest()
            assert following is not None
            self._create(followed, following, name)
            return JobStatus("starting", f"attempt {following.number} begins, because {ending.reason}")
        if ending.kind == "disrupted":
            reason = (
                f"Training {spec.name} was disrupted {attempt.number} times, the last time because {ending.reason}."
            )
            return self._failed(attempt, name, JobStatus("failed", reason))
        if state.memory:
            return self._failed(attempt, name, killed_for_memory(spec, min(state.memory)))
        assert ending.index is not None
        folder = self.folder / f"{name}.{attempt.number}"
        return self._failed(attempt, name, final_status(attempt, folder, ends, ending.index))

    def _failed(self, attempt: Attempt, name: str, status: JobStatus) -> JobStatus:
        attempt.folder.create(ENDED, {"kind": status.state, "reason": status.reason})
        self._objects.delete(object_name(name, attempt.number))
        return status
