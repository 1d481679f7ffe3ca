"""Which adapters the platform uses: all of them on this machine (``local``), with the same ports as anywhere else."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from mlp_assets.nouns.search import Search
from mlp_resources.compute.import_paths import folder_of
from mlp_resources.compute.shards_local import shard_runner
from mlp_resources.compute.trials import trials_runner
from mlp_resources.environments.home import home as default_home
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.online.open_view import online_store
from mlp_resources.ports.lake import Lake
from mlp_resources.ports.monitoring import MonitoringEngine
from mlp_resources.ports.registry import Notary, Registry
from mlp_resources.ports.search import Trials, Tuner
from mlp_resources.ports.serving import OnlineStore, ServingControl
from mlp_resources.ports.shards import ShardRunner
from mlp_resources.ports.training import TrainingRunner


@dataclass(frozen=True)
class Environment:
    """Everything of the surroundings that assets use. Adapters are made on first use, so loading is cheap."""

    home: Path
    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))

    @cached_property
    def lake(self) -> Lake:
        return DeltaLake(self.home / "lake")

    @cached_property
    def online(self) -> OnlineStore:
        """Embedded below the home, or the Redis server that ``MLP_ONLINE`` names."""
        return online_store(os.environ.get("MLP_ONLINE"), self.home)

    @cached_property
    def runner(self) -> TrainingRunner:
        """Its checkpoints lie below the home, or in the object store that ``MLP_CHECKPOINTS`` names."""
        from mlp_resources.compute.local_training import LocalRunner

        return LocalRunner(self.home / "training", os.environ.get("MLP_CHECKPOINTS"))

    @cached_property
    def registry(self) -> Registry:
        from mlp_resources.registry.mlflow import MlflowRegistry

        return MlflowRegistry(self.home / "mlflow")

    @cached_property
    def notary(self) -> Notary:
        from mlp_resources.registry.signing_key import local_notary

        return local_notary(self.home)

    @cached_property
    def serving(self) -> ServingControl:
        from mlp_resources.serving.ray import RayServing

        return RayServing(self.home)

    @cached_property
    def monitoring(self) -> MonitoringEngine:
        from mlp_resources.monitoring.nannyml import NannyMonitoring

        return NannyMonitoring(self.home / "monitoring")

    @cached_property
    def shards(self) -> ShardRunner:
        """In this process, or on the Ray cluster with ``MLP_SHARDS=ray``."""
        return shard_runner(os.environ.get("MLP_SHARDS"))

    def tuner(self, name: str, search: Search, seed: int, *, higher_is_better: bool) -> Tuner:
        """The tuner of a search; one of the same name that was broken off goes on."""
        from mlp_resources.compute.tuner_optuna import OptunaTuner

        path = self.home / "training" / "searches" / f"{name}.journal"
        return OptunaTuner(path, search.space, seed, higher_is_better=higher_is_better)

    def trials(self, cpus: float, function: str) -> Trials:
        """In this process, or on the Ray cluster with ``MLP_TRIALS=ray``."""
        return trials_runner(os.environ.get("MLP_TRIALS"), cpus, [folder for folder in [folder_of(function)] if folder])

    def spool_path(self, project: str, endpoint: str) -> str:
        return str(self.home / "spool" / project / endpoint)


def local(home: Path | None = None) -> Environment:
    """Everything on this machine, below one directory."""
    return Environment(home or default_home())
