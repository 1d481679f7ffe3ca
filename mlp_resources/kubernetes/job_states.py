"""What the state of a Job and its pods means for the training: where it stands, and what it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

_REASONS_OF_IMAGES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")

Stage = Literal["gone", "queued", "starting", "running", "ending", "complete"]


@dataclass(frozen=True)
class JobState:
    """Where an attempt stands.

    Args:
        stage: ``gone`` has no Job; ``ending`` has failed, and its pods are being removed.
        cause: what a queued or starting one waits for.
        image: whether it waits for its image.
        since: when it began to end.
        memory: indexes of the pods that were killed because they went over their limit of memory.
    """

    stage: Stage
    cause: str = ""
    image: bool = False
    since: datetime | None = None
    memory: frozenset[int] = frozenset()


def job_state(job: Any | None, pods: Sequence[Any], machines: int, refusals: Sequence[str] = ()) -> JobState:
    """The state of an attempt.

    Args:
        job: the Job, as Kubernetes' client returns it; None where there is none.
        pods: its pods.
        refusals: why its pods could not be made, as the cluster's events say; the newest last.
    """
    if job is None:
        return JobState("gone")
    conditions = {each.type: each for each in job.status.conditions or [] if each.status == "True"}
    memory = frozenset(_index(pod) for pod in pods if _killed_for_memory(pod))
    failed = conditions.get("FailureTarget") or conditions.get("Failed")
    if failed is not None:
        return JobState("ending", since=failed.last_transition_time, memory=memory)
    if "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        return JobState("complete")
    if job.spec.suspend:
        queue = (job.metadata.labels or {}).get("kueue.x-k8s.io/queue-name", "")
        return JobState("queued", f"waits in the queue {queue}" if queue else "is suspended")
    removed = [pod.metadata.deletion_timestamp for pod in pods if pod.metadata.deletion_timestamp is not None]
    if removed:
        return JobState("ending", since=min(removed), memory=memory)
    for pod in pods:
        waits = _unscheduled(pod)
        if waits is not None:
            return JobState("queued", waits)
    if len(pods) < machines:
        return JobState("starting", f"pods are not made yet{': ' + refusals[-1] if refusals else ''}")
    for pod in pods:
        waiting = _waiting(pod)
        if waiting is not None:
            cause = f"{waiting.reason}: {waiting.message}" if waiting.message else waiting.reason
            return JobState("starting", cause, image=waiting.reason in _REASONS_OF_IMAGES)
    if not all(pod.status.phase in ("Running", "Succeeded") for pod in pods):
        return JobState("starting", "pods start")
    return JobState("running")


def still_speaking(pods: Sequence[Any]) -> set[int]:
    """Indexes of the pods that may yet say how they ended: those that have not ended, on nodes that answer."""
    return {_index(pod) for pod in pods if pod.status.phase not in ("Failed", "Succeeded") and not _is_lost(pod)}


def _is_lost(pod: Any) -> bool:
    """Whether its node does not answer. Such a pod stays as it was, and says nothing more."""
    conditions = pod.status.conditions or []
    return any(each.type == "DisruptionTarget" and each.reason == "DeletionByTaintManager" for each in conditions)


def _index(pod: Any) -> int:
    return int(pod.metadata.annotations["batch.kubernetes.io/job-completion-index"])


def _unscheduled(pod: Any) -> str | None:
    """Why a pod has no node; None where it has one."""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.message or condition.reason
    return None


def _waiting(pod: Any) -> Any | None:
    states = [each.state for each in pod.status.container_statuses or []]
    return next((state.waiting for state in states if state.waiting is not None and state.waiting.reason), None)


def _killed_for_memory(pod: Any) -> bool:
    states = [each.state for each in pod.status.container_statuses or []]
    return any(state.terminated is not None and state.terminated.reason == "OOMKilled" for state in states)
