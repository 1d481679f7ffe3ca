"""The environment ``cluster`` says all that it lacks."""

from pathlib import Path

import pytest

from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.settings import SettingsError


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
