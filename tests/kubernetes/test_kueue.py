"""Trainings in a queue of Kueue: they wait for quota, and a suspension costs no attempt."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from mlp_resources.kubernetes.object_folder import ObjectFolder
from tests.support import resumable_training
from tests.support.cluster import Cluster, finish, follow, wait_for

pytestmark = pytest.mark.timeout(600)
_GROUP, _VERSION = "kueue.x-k8s.io", "v1beta2"


@pytest.fixture
def queue(cluster: Cluster) -> Iterator[Any]:
    """Kueue's API; a queue ``trainings`` in the namespace has room for one small training."""
    api, name = client.CustomObjectsApi(cluster.core.api_client), cluster.place.namespace
    served = {group.name for group in client.ApisApi(cluster.core.api_client).get_api_versions().groups}
    if _GROUP not in served:
        pytest.skip("The cluster has no Kueue")
    quotas = [{"name": "cpu", "nominalQuota": "0.5"}, {"name": "memory", "nominalQuota": "4Gi"}]
    resources = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": name, "resources": quotas}]}
    kinds = (("resourceflavors", "ResourceFlavor", {}),
             ("clusterqueues", "ClusterQueue", {"namespaceSelector": {}, "resourceGroups": [resources]}))  # fmt: skip
    for plural, kind, spec in kinds:
        made = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        api.create_cluster_custom_object(_GROUP, _VERSION, plural, made)
    local = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": "LocalQueue", "metadata": {"name": "trainings"}}
    api.create_namespaced_custom_object(_GROUP, _VERSION, name, "localqueues", local | {"spec": {"clusterQueue": name}})
    yield api
    for plural, _, _ in reversed(kinds):
        api.delete_cluster_custom_object(_GROUP, _VERSION, plural, name)


def activate(api: Any, namespace: str, job: str, *, active: bool) -> None:
    """Has Kueue suspend the Job of a training, as a preemption does, or admit it again."""
    workloads = api.list_namespaced_custom_object(_GROUP, _VERSION, namespace, "workloads")["items"]
    (name,) = [each["metadata"]["name"] for each in workloads if job in each["metadata"]["name"]]
    body = {"spec": {"active": active}}
    api.patch_namespaced_custom_object(_GROUP, _VERSION, namespace, "workloads", name, body)


def test_a_suspended_training_costs_no_attempt_and_goes_on_where_it_was(
    cluster: Cluster, tmp_path: Path, queue: Any
) -> None:
    runner = cluster.runner(place=replace(cluster.place, queue="trainings"))
    first = runner.submit(cluster.job(resumable_training.job(tmp_path, "first", processes=1, pause=0.1)))
    follow(runner, first, lambda status: status.state == "running")
    second = runner.submit(cluster.job(resumable_training.job(tmp_path, "second", processes=1)))
    waits = follow(runner, second, lambda status: bool(status.reason))
    assert (waits.state, waits.reason) == ("queued", "waits in the queue trainings")
    checkpoints = ObjectFolder(first.address).below("0001/checkpoints")
    wait_for(lambda: len(checkpoints.names()) >= 2, "checkpoints", 60)
    activate(queue, cluster.place.namespace, "first", active=False)
    follow(runner, first, lambda status: status.state == "queued")
    assert finish(runner, second).result is not None
    activate(queue, cluster.place.namespace, "first", active=True)
    status = finish(runner, first)
    assert status.result is not None, status.reason
    assert cluster.attempts(first) == ["0001"]
    assert resumable_training.begun(status.result)[0] >= 7
