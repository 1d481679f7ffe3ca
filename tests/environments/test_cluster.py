"""The environment ``cluster`` says all that it lacks."""

from pathlib import Path

import pytest

from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.settings import SettingsError
from mlp_resources.leases.local import LocalLeases
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.serving import NotServedError


def test_all_missing_settings_are_named_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_ENVIRONMENT", "cluster")
    with pytest.raises(SettingsError) as told:
        configured_environment()
    for name in ("MLP_LAKE=s3://bucket/folder", "MLP_KUBERNETES_NAMESPACE=", "MLP_KUBERNETES_IMAGE="):
        assert name in str(told.value)


def test_trainings_lie_beside_the_tables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_ENVIRONMENT", "cluster")
    monkeypatch.setenv("MLP_LAKE", "s3://bucket/lake/")
    monkeypatch.setenv("MLP_KUBERNETES_NAMESPACE", "team-shop")
    monkeypatch.setenv("MLP_KUBERNETES_IMAGE", "shop:1")
    runner = configured_environment().runner
    assert (runner.root, runner.place.namespace) == ("s3://bucket/lake/.trainings", "team-shop")


PLACE = {
    "MLP_ENVIRONMENT": "cluster",
    "MLP_LAKE": "s3://bucket/lake",
    "MLP_KUBERNETES_NAMESPACE": "team-shop",
    "MLP_KUBERNETES_IMAGE": "shop:1",
}
SERVICES = {
    "MLP_DATABASE": "postgresql://mlp:hunter2@database/mlp",
    "MLP_MLFLOW": "http://mlflow:5000",
    "MLP_ONLINE": "redis://redis:6379/0",
    "MLP_PROMOTION_KEY": "/keys/promotion",
}


@pytest.mark.parametrize("given", ["MLP_DATABASE", "MLP_MLFLOW"])
def test_services_of_many_machines_are_given_together(given: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (PLACE | {given: SERVICES[given]}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as told:
        configured_environment()
    for name in SERVICES.keys() - {given}:
        assert f"Write {name}=" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_with_a_database_nothing_that_is_shared_lies_in_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    assert isinstance(configured_environment().leases, LocalLeases)
    for name, value in SERVICES.items():
        monkeypatch.setenv(name, value)
    environment = configured_environment()
    assert isinstance(environment.leases, PostgresLeases)
    assert environment.registry.tracking_uri == "http://mlflow:5000"
    assert environment.serving.desired() == {}
    with pytest.raises(NotServedError, match="The endpoint score is not live: on Kubernetes .* no endpoints yet"):
        environment.serving.apply({"endpoint": "score"}, {})
