"""MLflow that dies at any call of a registration: the next try leaves one ready version, and none that is partial."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.registry.mlflow import MlflowRegistry
from tests.support.candidate import candidate
from tests.support.mlflow_store import empty_store

# What a registration asks of MLflow's store, in this order.
CALLS = [
    "create_run", "log_batch", "log_artifacts", "log_artifact", "log_inputs", "create_registered_model",
    "create_model_version", "search_model_versions",
]  # fmt: skip


class Died(Exception):
    """What a client sees of a server that is gone."""


def dies(call: Callable[..., Any], when: str) -> Callable[..., Any]:
    def once(*args: Any, **options: Any) -> Any:
        if when == "after":  # it was done, and the answer was lost
            call(*args, **options)
        raise Died

    return once


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CALLS)
def test_a_second_try_leaves_one_ready_version(
    tmp_path: Path, name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    given = candidate(tmp_path, "one")
    with monkeypatch.context() as broken:
        broken.setattr(mlflow.MlflowClient, name, dies(getattr(mlflow.MlflowClient, name), when))
        with pytest.raises(Died):
            registry.register(given)
    assert all(version.digest == given.digest for version in registry.versions("shop.buys"))
    version = registry.register(given)
    (found,) = registry._client().search_model_versions("name='shop.buys'")
    assert (found.version, found.status) == (1, "READY")
    assert registry.champion("shop.buys") is None
    load_scorer(registry.download(version), given.digest)
    runs = registry._client().search_runs([registry._experiment("shop.buys")])
    assert [run.info.run_id for run in runs] == [found.run_id]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_alias_is_on_a_whole_version_or_nowhere(tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    registry.register(candidate(tmp_path, "one"))
    with monkeypatch.context() as broken:
        own = mlflow.MlflowClient.set_registered_model_alias
        broken.setattr(mlflow.MlflowClient, "set_registered_model_alias", dies(own, when))
        with pytest.raises(Died):
            registry.name_champion("shop.buys", "1")
    registry.name_champion("shop.buys", "1")
    found = registry.champion("shop.buys")
    assert found is not None
    assert found.version == "1"
