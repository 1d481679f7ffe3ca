"""A namespace of the tests' own, what trainings need in it, and faults."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import polars as pl
import yaml
from kubernetes import client, config, utils

from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.tables.storage import storage_options
from mlp_resources.kubernetes.object_folder import ObjectFolder
from mlp_resources.kubernetes.runner import KubernetesRunner
from mlp_resources.kubernetes.training_job import Place
from mlp_resources.ports.training import JobHandle, JobStatus

_RIGHTS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "trainings.yaml"
_MEMORY = 700 * 10**6


@dataclass
class Cluster:
    """A namespace with Pod Security ``restricted``, and a folder of the object store.

    Args:
        root: the address of that folder.
        folder: on this machine.
        keys: the variables by which pods reach the object store.
    """

    place: Place
    root: str
    folder: Path
    keys: dict[str, str]

    def __post_init__(self) -> None:
        self._admin = config.new_client_from_config()
        self.core, self.batch = client.CoreV1Api(self._admin), client.BatchV1Api(self._admin)

    def create(self) -> None:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        name = self.place.namespace
        self.core.create_namespace({"metadata": {"name": name, "labels": labels}})
        self.core.create_namespaced_secret(name, {"metadata": {"name": self.place.secret}, "stringData": self.keys})
        wait_for(lambda: self.core.list_namespaced_service_account(name).items, "the service account")
        store = boto3.client("s3")
        bucket = urlsplit(self.root).netloc
        if bucket not in {each["Name"] for each in store.list_buckets()["Buckets"]}:
            store.create_bucket(Bucket=bucket)

    def kubeconfig(self) -> Path:
        """A file by which a process has the rights of ``deploy/kubernetes/trainings.yaml``, and no others."""
        name = self.place.namespace
        utils.create_from_yaml(self._admin, str(_RIGHTS), namespace=name)
        token = self.core.create_namespaced_service_account_token("mlp", name, {"spec": {"expirationSeconds": 3600}})
        server = self._admin.configuration
        certificates = base64.b64encode(Path(server.ssl_ca_cert).read_bytes()).decode()
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "mlp",
            "clusters": [
                {"name": "mlp", "cluster": {"server": server.host, "certificate-authority-data": certificates}}
            ],
            "users": [{"name": "mlp", "user": {"token": token.status.token}}],
            "contexts": [{"name": "mlp", "context": {"cluster": "mlp", "user": "mlp"}}],
        }  # fmt: skip
        file = self.folder / "kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file

    def delete(self) -> None:
        self.core.delete_namespace(self.place.namespace, grace_period_seconds=0)

    def runner(self, **changes: Any) -> KubernetesRunner:
        """A runner as a process of its own has one: it knows nothing of the others'."""
        place = changes.pop("place", self.place)
        return KubernetesRunner(f"{self.root}/trainings", self.folder / "results", place, **changes)

    def job(self, spec: JobSpec, machines: int = 1, **changes: Any) -> JobSpec:
        """The job with its table in the object store."""
        table = f"{self.root}/table"
        rows = pl.read_delta(spec.table)
        rows.write_delta(table, mode="overwrite", storage_options=storage_options(table))
        return replace(spec, table=table, version=0, machines=machines, memory_bytes=_MEMORY, cpus=0.3, **changes)

    def objects(self) -> set[str]:
        """The names of all Jobs, Services and pods."""
        name = self.place.namespace
        lists = (
            self.batch.list_namespaced_job(name),
            self.core.list_namespaced_service(name),
            self.core.list_namespaced_pod(name),
        )
        return {item.metadata.name for each in lists for item in each.items}

    def pods(self) -> list[Any]:
        """The pods in the order of their index, without those that are going."""
        found = self.core.list_namespaced_pod(self.place.namespace).items
        alive = [pod for pod in found if pod.metadata.deletion_timestamp is None]
        return sorted(alive, key=lambda pod: pod.metadata.name)

    def has_failed_job(self) -> bool:
        jobs = self.batch.list_namespaced_job(self.place.namespace).items
        return any(each.type == "Failed" for job in jobs for each in job.status.conditions or [])

    def attempts(self, handle: JobHandle) -> list[str]:
        return [name for name in ObjectFolder(handle.address).names() if name.isdecimal()]


def finish(runner: KubernetesRunner, handle: JobHandle, seconds: float = 240) -> JobStatus:
    """Polls until the training has ended."""
    return follow(runner, handle, lambda status: status.ended, seconds)


def follow(
    runner: KubernetesRunner, handle: JobHandle, until: Callable[[JobStatus], bool], seconds: float = 120
) -> JobStatus:
    deadline = time.monotonic() + seconds
    while not until(status := runner.poll(handle)):
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return status


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
