"""MLflow fails at any call of a registration: the next attempt leaves one ready version and no partial one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.registry.mlflow import MlflowRegistry
from tests.support.candidate import candidate
from tests.support.mlflow_store import empty_store

# The calls of a registration to MLflow's store, in order.
CALLS = [
    "create_run", "log_batch", "log_artifacts", "log_artifact", "log_inputs", "create_registered_model",
    "create_model_version", "search_model_versions",
]  # fmt: skip


class Died(Exception):
    """Stands for the error of a client whose server is gone."""


def dies(call: Callable[..., Any], when: str) -> Callable[..., Any]:
    def failing(*args: Any, **options: Any) -> Any:
        if when == "after":  # the call succeeds, and its answer is lost
            call(*args, **options)
        raise Died

    return failing


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CALLS)
def test_a_second_attempt_leaves_one_ready_version(
    tmp_path: Path, name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    registered = candidate(tmp_path, "one")
    with monkeypatch.context() as broken:
        broken.setattr(mlflow.MlflowClient, name, dies(getattr(mlflow.MlflowClient, name), when))
        with pytest.raises(Died):
            registry.register(registered)
    assert all(version.digest == registered.digest for version in registry.versions("shop.buys"))
    version = registry.register(registered)
    (entry,) = registry._client().search_model_versions("name='shop.buys'")
    assert (entry.version, entry.status) == (1, "READY")
    assert registry.champion("shop.buys") is None
    load_scorer(registry.download(version), registered.digest)
    runs = registry._client().search_runs([registry._experiment("shop.buys")])
    assert [run.info.run_id for run in runs] == [entry.run_id]


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_alias_names_a_complete_version_or_none(tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MlflowRegistry(empty_store(tmp_path / "mlflow"))
    registry.register(candidate(tmp_path, "one"))
    with monkeypatch.context() as broken:
        own = mlflow.MlflowClient.set_registered_model_alias
        broken.setattr(mlflow.MlflowClient, "set_registered_model_alias", dies(own, when))
        with pytest.raises(Died):
            registry.name_champion("shop.buys", "1")
    registry.name_champion("shop.buys", "1")
    champion = registry.champion("shop.buys")
    assert champion is not None
    assert champion.version == "1"
