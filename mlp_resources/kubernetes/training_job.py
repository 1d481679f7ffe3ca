"""The Kubernetes objects of an attempt of a training: an Indexed Job, and the headless Service of its pods."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp_assets.jobs.job_spec import JobSpec

PORT, MASTER = 29500, "MLP_MASTER"
LABEL, ATTEMPT = "mlp.training", "mlp.attempt"
_QUEUE = "kueue.x-k8s.io/queue-name"
_LONGEST = 48  # of a Job's name: the pods' names and the labels made from it have at most 63 characters
_FOLDER, _GRACE_SECONDS, _LOST_NODE_SECONDS = "/work", 60, 30
_DEFAULT_MEMORY = 2 * 2**30


@dataclass(frozen=True)
class Place:
    """Where pods run, and what they are given.

    Args:
        image: the platform's image with the team's packages.
        secret: the Secret whose entries are environment variables of the pods: address and keys of the object store.
        queue: the Kueue queue; None where there is no Kueue.
    """

    namespace: str
    image: str
    secret: str | None = None
    queue: str | None = None


def object_name(name: str, number: int) -> str:
    """The name of an attempt's Job and Service. Two trainings never share one: a part of it is a hash of the name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    ending = f"-{hashlib.sha256(name.encode()).hexdigest()[:10]}-{number}"
    return f"t-{plain[: _LONGEST - len(ending) - 2].strip('-')}{ending}"


def job_objects(spec: JobSpec, name: str, number: int, address: str, place: Place) -> tuple[dict[str, Any], ...]:
    """The Service and the Job.

    Args:
        name: of the training.
        address: of the attempt's folder.
    """
    job_name = object_name(name, number)
    labels = {LABEL: _label(name), ATTEMPT: str(number), "app.kubernetes.io/managed-by": "mlp"}
    metadata = {"name": job_name, "namespace": place.namespace, "labels": labels, "annotations": {LABEL: name}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "selector": {"job-name": job_name},
            "publishNotReadyAddresses": True,  # the ranks meet before they are ready
            "ports": [{"name": "rendezvous", "port": PORT}],
        },
    }
    queue = {_QUEUE: place.queue} if place.queue is not None else {}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata | {"labels": labels | queue},
        "spec": {
            "completionMode": "Indexed",
            "completions": spec.machines,
            "parallelism": spec.machines,
            "backoffLimit": 0,
            "template": {"metadata": {"labels": labels}, "spec": _pod(spec, job_name, address, place)},
        },
    }
    return service, job


def _pod(spec: JobSpec, job_name: str, address: str, place: Place) -> dict[str, Any]:
    resources = _resources(spec)
    volumes = {"work": (_FOLDER, {}), "shm": ("/dev/shm", {"medium": "Memory"}), "tmp": ("/tmp", {})}
    return {
        "restartPolicy": "Never",
        "subdomain": job_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # the first process of a container would not heed SIGTERM while it starts
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "tolerations": [
            {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute",
             "tolerationSeconds": _LOST_NODE_SECONDS}
            for state in ("unreachable", "not-ready")
        ],
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "training",
                "image": spec.image or place.image,
                "command": ["python", "-m", "mlp_resources.kubernetes.pod", address],
                "env": [
                    {"name": MASTER, "value": f"{job_name}-0.{job_name}"},
                    {"name": "OMP_NUM_THREADS", "value": str(max(1, int(spec.cpus or 1)))},
                    {"name": "HOME", "value": _FOLDER},
                ],
                "envFrom": [{"secretRef": {"name": place.secret}}] if place.secret is not None else [],
                "resources": {"requests": resources, "limits": _limits(resources)},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": name, "mountPath": path} for name, (path, _) in volumes.items()],
            }
        ],
        "volumes": [{"name": name, "emptyDir": settings} for name, (_, settings) in volumes.items()],
    }  # fmt: skip


def memory_of(spec: JobSpec) -> int:
    """The bytes of memory that each pod may use."""
    return spec.memory_bytes or _DEFAULT_MEMORY


def _resources(spec: JobSpec) -> dict[str, str]:
    """What each pod asks for."""
    here = spec.processes // spec.machines
    asked = {"cpu": f"{(spec.cpus or 1) * here:g}", "memory": str(memory_of(spec))}
    return asked | ({"nvidia.com/gpu": str(spec.gpus // spec.machines)} if spec.gpus else {})


def _limits(resources: Mapping[str, str]) -> dict[str, str]:
    """Memory and GPUs are limited to what was asked; a pod may use idle processors."""
    return {name: amount for name, amount in resources.items() if name != "cpu"}


def _label(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:40]
