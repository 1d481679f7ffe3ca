"""The seam of environments: another choice of adapters needs nothing but a class with the Protocol's attributes."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlp_assets.nouns.search import Search
from mlp_assets.platform import definitions_for
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.compute.shards_local import LocalShards
from mlp_resources.compute.trials import LocalTrials
from mlp_resources.compute.tuner_optuna import OptunaTuner
from mlp_resources.environments.configured import configured_environment
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.monitoring.nannyml import NannyMonitoring
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Table
from mlp_resources.registry.mlflow import MlflowRegistry
from mlp_resources.registry.signing_key import SigningKey
from mlp_resources.serving.ray import RayServing
from tests.support import shop
from tests.support.platform import weeks


class Elsewhere:
    """An environment whose parts lie in folders that have nothing to do with each other, nor with a home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lake = DeltaLake(folder / "tables")
        self.online = LmdbOnlineStore(folder / "newest")
        self.runner = LocalRunner(folder / "runs")
        self.registry = MlflowRegistry(folder / "registered")
        self.signer = SigningKey(folder / "key")
        self.serving = RayServing(folder / "live", "http://127.0.0.1:1", 1)
        self.monitoring = NannyMonitoring(folder / "figures")
        self.shards = LocalShards()

    def now(self) -> datetime:
        return datetime(2024, 6, 1, tzinfo=UTC)

    def tuner(self, name: str, search: Search, seed: int, *, higher_is_better: bool) -> OptunaTuner:
        return OptunaTuner(self._folder / name, search.space, seed, higher_is_better=higher_is_better)

    def trials(self, cpus: float, function: str) -> LocalTrials:
        return LocalTrials()

    def spool_path(self, project: str, endpoint: str) -> str:
        return str(self._folder / "spool")

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Environment]:
        yield Elsewhere(self._folder / "scratch")


def test_a_second_environment_runs_assets_without_the_home(home: Path, tmp_path: Path) -> None:
    environment: Environment = Elsewhere(tmp_path / "elsewhere")
    project = shop.make()
    job = definitions_for(project, environment=environment).resolve_implicit_global_asset_job_def()
    keys = [key for key in job.asset_layer.executable_asset_keys if key.path[1] in ("source", "features", "online")]
    instance, tags = dg.DagsterInstance.ephemeral(), weeks("2024-01-01", "2024-02-05")
    for kind in ("source", "features"):
        selected = [key for key in keys if key.path[1] == kind]
        assert job.execute_in_process(instance=instance, asset_selection=selected, tags=tags).success
    (view,) = project.feature_views
    rows = environment.lake.scan(Table(project.name, "features", view.name))
    assert rows.select(pl.len()).collect().item() > 0
    assert (tmp_path / "elsewhere" / "tables").is_dir()
    assert not (home / "lake").exists()


def test_a_scratch_environment_has_the_settings_and_none_of_the_data(home: Path) -> None:
    with configured_environment().scratch() as scratch:
        location = Path(scratch.lake.location(Table("shop", "features", "spending")))
        assert home not in location.parents
    assert not any(folder.exists() for folder in location.parents if folder.name.startswith("mlp-scratch-"))


def test_a_scratch_environment_writes_nothing_to_the_lake_of_the_settings(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_LAKE", f"file://{tmp_path}/lake")
    table, environment = Table("shop", "features", "spending"), configured_environment()
    assert environment.lake.location(table) == f"file://{tmp_path}/lake/{table}"
    with environment.scratch() as scratch:
        assert str(tmp_path) not in scratch.lake.location(table)
