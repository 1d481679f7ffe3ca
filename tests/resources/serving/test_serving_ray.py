"""Endpoints on a real local Ray: deployed, moved to another version under load, kept when a new one is broken."""

import contextlib
import importlib
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mlp_resources.ports.serving import DeploymentFailedError, ServingUnavailableError
from mlp_resources.serving.ray import RayServing
from tests.support.doubling_endpoint import plan, request
from tests.support.ports import free_ports
from tests.support.ray_cluster import RayCluster

OPTIONS = {"replicas": [1, 1], "cpus": 0.1}


@pytest.fixture
def serving(ray_cluster: RayCluster) -> RayServing:
    return RayServing(ray_cluster.home, ray_cluster.dashboard, ray_cluster.serve_port)


def version(plan_of: dict[str, Any], number: str) -> dict[str, Any]:
    return plan_of | {"model": plan_of["model"] | {"version": number}}


def test_an_endpoint_moves_under_load_and_survives_a_broken_version(serving: RayServing, tmp_path: Path) -> None:
    first = plan(tmp_path)
    url = f"{serving.apply(first, OPTIONS)}/v2/models/score/infer"
    statuses: list[tuple[int, str]] = []
    stop = threading.Event()

    def load() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                answer = client.post(url, json=request([1], [2]))
                statuses.append((answer.status_code, answer.json().get("model_version", "")))

    callers = [threading.Thread(target=load) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        while not statuses:  # the first answer is of the first version, however fast the next one is live
            time.sleep(0.01)
        serving.apply(version(first, "4"), OPTIONS)
        broken = version(first, "5")
        broken["model"]["digest"] = "0" * 64
        with pytest.raises(DeploymentFailedError):
            serving.apply(broken, OPTIONS)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert {status for status, _ in statuses} == {200}
    assert {number for _, number in statuses} == {"3", "4"}
    assert httpx.post(url, json=request([1], [2])).json()["model_version"] == "4"
    assert serving.desired()["shop.score"]["plan"]["model"]["version"] == "4"
    assert serving.reconcile() == ["shop.score"]

    renamed = version(first, "4") | {"endpoint": "rating"}
    serving.apply(renamed, OPTIONS)
    assert list(serving.desired()) == ["shop.rating"]
    with pytest.raises(DeploymentFailedError, match="which shop.rating has"):
        serving.apply(renamed | {"project": "other"}, OPTIONS)
    with pytest.raises(DeploymentFailedError, match=r"no endpoint shop.score. The endpoints are \['shop.rating'\]"):
        serving.remove("shop.score")
    serving.remove("shop.rating")
    assert serving.desired() == {}


def addresses_of(home: Path) -> dict[str, set[str]]:
    """Name of each process of the home that listens -> the addresses."""
    found: dict[str, set[str]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MLP_HOME") == str(home):
                held = [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
                found.setdefault(process.name(), set()).update(each.laddr.ip for each in held)
    return {
        name: {each.removeprefix("::ffff:") for each in addresses} for name, addresses in found.items() if addresses
    }


def test_no_process_of_an_endpoint_listens_to_other_machines(
    serving: RayServing, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    serving.apply(plan(tmp_path), OPTIONS)
    found = addresses_of(ray_cluster.home)
    assert any(name.startswith("ray::ServeRepl") for name in found)
    assert set().union(*found.values()) == {"127.0.0.1"}, found
    serving.remove("shop.score")


def test_without_ray_the_message_says_what_to_start(tmp_path: Path) -> None:
    serving = RayServing(tmp_path, dashboard=f"http://127.0.0.1:{free_ports(1)[0]}", port=1)
    with pytest.raises(ServingUnavailableError, match="Start the platform with `mlp up`"):
        serving.apply(plan(tmp_path / "plan"), OPTIONS)


def test_derive_may_be_in_a_package_that_ray_was_not_started_with(
    serving: RayServing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "elsewhere_of_ray"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "derived.py").write_text(
        "import polars as pl\n\n\ndef hours():\n    return {'hour': pl.col('minute') / 60}\n"
    )
    with monkeypatch.context() as path:
        path.syspath_prepend(str(tmp_path))
        module = importlib.import_module("elsewhere_of_ray.derived")
    # Like in a code location: imported, and no longer on the path.
    named = plan(tmp_path, request={"minute": "Float64"}, derive=f"{module.__name__}:hours")
    url = f"{serving.apply(named, OPTIONS)}/v2/models/score/infer"
    body = request([1], [120])
    body["inputs"][1]["name"] = "minute"
    assert httpx.post(url, json=body).json()["outputs"][0]["data"] == [20.0]
    assert serving.reconcile() == ["shop.score"]
    serving.remove("shop.score")
