"""Which pods may yet say how they ended, from what Kubernetes says of them."""

from typing import Any

from kubernetes import client

from mlp_resources.kubernetes.job_states import still_speaking


def pod(index: int, phase: str = "Running", reason: str | None = None) -> Any:
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    disrupted = client.V1PodCondition(type="DisruptionTarget", status="True", reason=reason)
    return client.V1Pod(
        metadata=client.V1ObjectMeta(annotations=annotations),
        status=client.V1PodStatus(phase=phase, conditions=[disrupted] if reason else None),
    )


def test_a_pod_that_has_ended_or_whose_node_is_lost_is_not_waited_for() -> None:
    pods = [
        pod(0),
        pod(1, "Failed"),
        pod(2, reason="DeletionByTaintManager"),
        pod(3, reason="EvictionByEvictionAPI"),  # it has its grace, and uses it to say so
        pod(4, "Pending"),
        pod(5, "Succeeded"),
    ]
    assert still_speaking(pods) == {0, 3, 4}
