"""Trainings as Jobs of a real cluster: over two pods, killed, found again, refused, cancelled."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlp_resources.kubernetes.attempts import Attempts
from mlp_resources.kubernetes.object_folder import ObjectFolder
from mlp_resources.ports.training import TrainingResult, run_job
from tests.support import resumable_training, training_jobs
from tests.support.cluster import Cluster, finish, follow, wait_for

pytestmark = pytest.mark.timeout(600)


def weights(result: TrainingResult) -> bytes:
    """The files of the model."""
    return b"".join(path.read_bytes() for path in sorted(result.folder.iterdir()) if path.name != "manifest.json")


def test_two_pods_train_one_model(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.half_precision, processes=2), machines=2)
    spec = replace(spec, compute={"mixed_precision": "bf16", "strategy": "ddp"})
    lines = list[str]()
    result = run_job(cluster.runner(), spec, lines.append)
    assert {name: value for _, name, value in result.history}["ranks"] == 3.0
    assert lines[0].startswith(("queued: ", "starting: "))
    assert [line for line in lines if line.startswith("step ")] == [lines[-1]]
    assert result.peak_memory_bytes > 10**8
    wait_for(lambda: not cluster.objects(), "objects of a finished training are left")


@pytest.mark.parametrize("grace", [0, None], ids=["killed", "deleted"])
def test_a_training_whose_pod_is_lost_resumes_to_the_same_weights(
    cluster: Cluster, tmp_path: Path, grace: int | None
) -> None:
    spec = cluster.job(resumable_training.job(tmp_path, "whole"), machines=2)
    runner = cluster.runner()
    whole = finish(runner, runner.submit(spec)).result
    assert whole is not None
    spec = cluster.job(resumable_training.job(tmp_path, "broken", pause=0.1), machines=2)
    handle = runner.submit(spec)
    checkpoints = ObjectFolder(handle.address).below("0001/checkpoints")
    wait_for(lambda: len(checkpoints.names()) >= 2, "checkpoints", 120)
    victim = cluster.pods()[-1].metadata.name
    cluster.core.delete_namespaced_pod(victim, cluster.place.namespace, grace_period_seconds=grace)
    status = finish(runner, handle)
    assert status.result is not None, status.reason
    assert cluster.attempts(handle) == ["0001", "0002"]
    ended = ObjectFolder(handle.address).read_json("0001/ended.json")
    assert ended is not None
    assert ended["kind"] == "disrupted"
    assert resumable_training.begun(status.result)[0] >= 7
    assert weights(status.result) == weights(whole)
    wait_for(lambda: not cluster.objects(), "objects of a finished training are left")
    assert Attempts(ObjectFolder(handle.address)).checkpoint_before(3) == ""


def test_another_process_finds_the_training_and_takes_its_result(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(resumable_training.job(tmp_path, "shared", processes=1, pause=0.02))
    spec = replace(spec, asked_by="a run")
    first, second = cluster.runner(), cluster.runner()
    handle = first.submit(spec)
    assert second.submit(spec) == handle
    assert len(cluster.batch.list_namespaced_job(cluster.place.namespace).items) == 1
    assert finish(second, handle).result is not None
    assert cluster.attempts(handle) == ["0001"]
    retried = cluster.runner()  # the run that took it was killed before it had made a version of it
    assert finish(retried, retried.submit(spec)).result is not None
    assert cluster.attempts(handle) == ["0001"]
    spec, third = replace(spec, asked_by="another run"), cluster.runner()
    assert finish(third, third.submit(spec)).result is not None  # a result that was taken is made again
    assert cluster.attempts(handle) == ["0001", "0002"]
    fourth = cluster.runner()
    third.submit(spec)
    fourth.submit(replace(spec, asked_by="a third run"))
    third.cancel(handle)
    assert cluster.objects()  # the fourth still waits; the others do so no more, though one of them never polled
    fourth.cancel(handle)
    wait_for(lambda: not cluster.objects(), "objects of a cancelled training are left")


def test_a_users_error_ends_the_training_at_once_with_its_reason(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.diverging, processes=2, resume_key="one"), machines=2)
    runner = cluster.runner()
    handle = runner.submit(spec)
    status = finish(runner, handle)
    assert status.state == "failed"
    assert "loss is nan at step 7" in status.reason
    assert cluster.attempts(handle) == ["0001"]
    wait_for(lambda: not cluster.objects(), "objects of a failed training are left")
    unseen, again = cluster.runner(), cluster.runner()
    unseen.submit(spec)
    assert cluster.attempts(handle) == ["0001", "0002"]  # a failed Job is never adopted
    wait_for(cluster.has_failed_job, "the second attempt goes on", 120)
    again.submit(spec)
    assert cluster.attempts(handle) == ["0001", "0002", "0003"]
    unseen.cancel(handle)
    again.cancel(handle)
    wait_for(lambda: not cluster.objects(), "objects of an attempt that nobody saw fail are left")


def test_a_cancelled_training_leaves_nothing_and_resumes(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.hanging, resume_key="one"))
    runner = cluster.runner()
    handle = runner.submit(spec)
    follow(runner, handle, lambda status: status.state == "running")
    runner.cancel(handle)
    assert not cluster.objects()
    assert finish(runner, handle).state == "cancelled"


def test_a_training_for_which_another_run_waits_is_left_to_it(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(resumable_training.job(tmp_path, "two", processes=1, pause=0.02))
    first, second = cluster.runner(), cluster.runner()
    handle = first.submit(spec)
    second.submit(spec)
    first.cancel(handle)
    assert finish(second, handle).result is not None
    assert cluster.attempts(handle) == ["0001"]


def test_a_training_that_waits_says_for_what(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.constant))
    runner = cluster.runner()
    handle = runner.submit(replace(spec, cpus=500))
    status = follow(runner, handle, lambda status: bool(status.reason), 30)
    assert status.state == "queued"
    assert "Insufficient cpu" in status.reason
    runner.cancel(handle)


def test_a_wrong_image_is_named(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.constant, resume_key="one"), image="no-such-image:7")
    runner, other = cluster.runner(pull_seconds=5), cluster.runner()
    handle = runner.submit(spec)
    assert other.submit(spec) == handle
    status = finish(runner, handle, 90)
    assert status.state == "failed"
    assert "no-such-image:7" in status.reason
    assert finish(other, handle, 10) == status  # it does not make the Job again
    wait_for(lambda: not cluster.objects(), "objects of a failed training are left")


def test_a_quota_that_refuses_pods_is_named(cluster: Cluster, tmp_path: Path) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.memory": "100Mi"}}}
    cluster.core.create_namespaced_resource_quota(cluster.place.namespace, quota)
    runner = cluster.runner()
    handle = runner.submit(cluster.job(training_jobs.job(tmp_path, training_jobs.constant)))
    status = follow(runner, handle, lambda status: "exceeded quota" in status.reason, 40)
    assert status.state == "starting"
    runner.cancel(handle)


def test_a_training_that_needs_too_much_memory_says_so(cluster: Cluster, tmp_path: Path) -> None:
    spec = cluster.job(training_jobs.job(tmp_path, training_jobs.hungry))
    runner = cluster.runner()
    status = finish(runner, runner.submit(spec))
    assert status.state == "failed"
    assert "memory" in status.reason


def test_an_attempt_that_comes_back_late_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """The pods of a node that was lost run on unseen. Here attempt 2 begins while those of attempt 1 work."""
    spec = cluster.job(resumable_training.job(tmp_path, "late", processes=1, pause=0.1))
    runner = cluster.runner()
    handle = runner.submit(spec)
    folder = ObjectFolder(handle.address)
    wait_for(lambda: folder.names("0001/checkpoints"), "checkpoints", 120)
    assert folder.create("0002/claim.json", {})
    wait_for(lambda: folder.read("0001/end-0.json") is not None, "the end of attempt 1", 60)
    (failure,) = json.loads(folder.read("0001/end-0.json") or b"")["failures"]
    assert "attempt 2 has begun" in failure["reason"]
    assert finish(runner, handle).result is not None
    assert cluster.attempts(handle) == ["0001", "0002"]
