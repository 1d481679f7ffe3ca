"""The variables of processes: what other tools set is away, what is the user's business passes, and ours are set."""

import os
import sys
from pathlib import Path

import pytest

from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import own_ray_variables, process_variables
from tests.support.machine_in_use import machine_in_use

USERS = {
    "CUDA_VISIBLE_DEVICES": "1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://store",
    "OMP_NUM_THREADS": "2",
    "POLARS_MAX_THREADS": "2", "HTTPS_PROXY": "http://proxy:3128", "SSL_CERT_FILE": "/ca.pem", "LANG": "C",
    "TZ": "Asia/Tokyo",
    "MLP_RETAIL_FAULT": "x", "PYTHONPATH": "/theirs", "HF_HOME": "/models", "NCCL_SOCKET_IFNAME": "eth0",
}  # fmt: skip


def test_what_other_tools_set_is_away_and_the_rest_passes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine_in_use(tmp_path) as machine:
        for name, value in (machine.variables | USERS).items():
            monkeypatch.setenv(name, value)
        variables = process_variables(load_settings())
        assert {name: variables.get(name) for name in USERS} == USERS
        foreign = {n for n in machine.variables if n != "HOME" and "proxy" not in n.lower()}
        assert {n: v for n, v in variables.items() if n in foreign and v == machine.variables[n]} == {
            "RAY_AUTH_MODE": "token"
        }
    own = {name: value for name, value in variables.items() if name.startswith("RAY_")}
    assert own == own_ray_variables(home)
    assert variables["MLFLOW_REGISTRY_URI"] == variables["MLFLOW_TRACKING_URI"] == f"sqlite:///{home}/mlflow/mlflow.db"
    assert variables["DAGSTER_HOME"] == str(home / "dagster")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"no_proxy": "intra.example, 10.0.0.0/8"}, "intra.example,10.0.0.0/8,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "localhost,.example"}, "localhost,.example,127.0.0.1,::1"),
    ],
)
def test_this_machine_is_reached_without_a_proxy(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    variables = process_variables(load_settings())
    assert {variables[name] for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy")} == {expected}


def test_the_cluster_that_the_user_named_is_sent_the_users_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MLP_SHARDS": "ray", "RAY_ADDRESS": "head:6379", "RAY_AUTH_TOKEN": "theirs"}.items():
        monkeypatch.setenv(name, value)
    variables = process_variables(load_settings())
    own = own_ray_variables(home)["RAY_AUTH_TOKEN_PATH"]
    assert (variables["RAY_ADDRESS"], variables["RAY_AUTH_TOKEN"]) == ("head:6379", "theirs")
    assert own not in variables.values()


def test_a_client_in_a_process_of_somebody_else_keeps_to_our_registry(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a code location that Dagster loads, whose ``.env`` file names another MLflow."""
    with machine_in_use(tmp_path) as machine:
        environment = LocalEnvironment(home)
        registry = environment.registry
        for name, value in machine.variables.items():
            if name.startswith("MLFLOW_"):
                monkeypatch.setenv(name, value)
        assert registry.versions("shop.again") == []
        assert "mlflow" in sys.modules
        assert machine.asked == []
    assert os.environ["HOME"] != str(machine.user_home)
