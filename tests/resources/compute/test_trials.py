"""Trials on a real Ray of two processors: beside an endpoint, one after the other, and refused where none fits."""

import itertools
import os
import sys
import time
from collections.abc import Iterator

import pytest

import mlp_assets as mlp
from mlp_assets.models.search import run_search
from mlp_resources.compute.trials import LocalTrials, RayTrials
from tests.support.limited_memory import run_limited
from tests.support.logistic import SPACE
from tests.support.platform import Platform
from tests.support.searches import built, prepared

__all__ = ["built"]  # a fixture


def place(number: int) -> tuple[int, int, float]:
    """The number, the process that ran it, and when it began."""
    began = time.monotonic()
    time.sleep(0.3)
    return number, os.getpid(), began


def fails(number: int) -> int:
    raise mlp.MlpError(f"trial {number} is wrong")


@pytest.fixture
def reserved(ray_address: str) -> Iterator[None]:
    """An endpoint's replica that holds nearly all of the cluster's two processors."""
    import ray

    from mlp_resources.compute.ray_cluster import connect

    connect(ray_address, "MLP_TRIALS")

    @ray.remote(num_cpus=1.5)
    class Replica:
        def ready(self) -> bool:
            return True

    replica = Replica.remote()
    assert ray.get(replica.ready.remote())
    yield
    ray.kill(replica)


def test_a_search_on_ray_finds_the_same(
    built: Platform, ray_address: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    search = mlp.Search(SPACE, trials=2, at_once=2, cpus=0.2)
    here = run_search(*prepared(built, search, "here"), log=lambda _: None)
    request.getfixturevalue("reserved")
    monkeypatch.setenv("MLP_TRIALS", "ray")
    monkeypatch.setenv("RAY_ADDRESS", ray_address)
    on_ray = Platform(built.project, built.environment.home)
    there = run_search(*prepared(on_ray, search, "there"), log=lambda _: None)
    assert there.params == here.params
    assert [one.value for one in there.outcomes] == [one.value for one in here.outcomes]
    for each in (here, there):
        each.forget()


def test_trials_run_beside_an_endpoint_one_after_the_other(ray_address: str, reserved: None) -> None:
    ran = list(RayTrials(0.4, address=ray_address).map(place, range(3)))  # one at a time has room
    assert [number for number, _, _ in ran] == [0, 1, 2]
    assert os.getpid() not in {pid for _, pid, _ in ran}
    begun = sorted(began for _, _, began in ran)
    assert min(late - early for early, late in itertools.pairwise(begun)) >= 0.3


def test_a_trial_that_does_not_fit_is_refused(
    ray_address: str, reserved: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp_resources.compute.trials._ROOM_SECONDS", 1.0)
    with pytest.raises(mlp.MlpError, match=r"reserves 0.6 CPUs, and Ray at .* has 0.5 of 2 free. Write a smaller cpus"):
        list(RayTrials(0.6, address=ray_address).map(place, [0]))
    with pytest.raises(mlp.MlpError, match=r"reserves 16 CPUs"):
        list(RayTrials(16, address=ray_address).map(place, [0]))


def test_an_error_of_a_trial_is_raised_by_the_caller(ray_address: str) -> None:
    for trials in (RayTrials(0.1, address=ray_address), LocalTrials()):
        with pytest.raises(mlp.MlpError, match="trial 3 is wrong"):
            list(trials.map(fails, [3]))


def test_a_batch_runs_one_after_the_other_in_a_small_container() -> None:
    code = (
        "import threading; from mlp_resources.compute.trials import LocalTrials\n"
        "def work(item):\n    threading.Event().wait(0.2)\n    return item, threading.get_ident()\n"
        "done = list(LocalTrials().map(work, [1, 2, 3])); print([item for item, _ in done], len({t for _, t in done}))"
    )
    run = run_limited([sys.executable, "-c", code], 3 * 1024**3, os.environ)
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group")
    note, figures = run.output.splitlines()
    assert figures == "[1, 2, 3] 1"
    assert note.startswith("Trials run one at a time, because ")
