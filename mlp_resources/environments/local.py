"""The environment ``local``: every adapter works on this machine, and all state is below one directory."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_assets.nouns.search import Search
from mlp_resources.environments.own_services import serves
from mlp_resources.environments.settings import Settings, load_settings, secret
from mlp_resources.environments.variables import prepare_clients, process_variables
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.lake.root import lake_root
from mlp_resources.leases.local import LocalLeases
from mlp_resources.online.open_view import online_store, view_opener
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Lake
from mlp_resources.ports.lease import Leases
from mlp_resources.ports.monitoring import MonitoringEngine
from mlp_resources.ports.registry import Registry, Signer
from mlp_resources.ports.search import Trials, Tuner
from mlp_resources.ports.serving import OnlineStore, OpenView, ServingControl
from mlp_resources.ports.shards import ShardRunner
from mlp_resources.ports.training import TrainingRunner
from mlp_resources.registry.signing_key import KEY_VARIABLE

if TYPE_CHECKING:
    on_first_use = property  # a type checker takes only a property for a Protocol's property
else:
    on_first_use = cached_property


@dataclass(frozen=True)
class LocalEnvironment:
    """Adapters of this machine. Each is made on first use, so loading a code location stays cheap.

    Args:
        home: the directory of all state.
        now: the clock.
        given: the settings; read on first use where they are not given.
    """

    home: Path
    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))
    given: Settings | None = None

    @on_first_use
    def settings(self) -> Settings:
        return self.given or load_settings(self.home)

    @on_first_use
    def leases(self) -> Leases:
        return LocalLeases(self.home / "leases")

    @on_first_use
    def lake(self) -> Lake:
        return DeltaLake(lake_root(self.settings.lake, self.home))

    @on_first_use
    def online(self) -> OnlineStore:
        settings = self.settings
        return online_store(secret(settings.online), secret(settings.redis_password), self.home)

    @on_first_use
    def open_view(self) -> OpenView:
        return view_opener(secret(self.settings.online), secret(self.settings.redis_password))

    @on_first_use
    def runner(self) -> TrainingRunner:
        from mlp_resources.compute.local_training import LocalRunner

        settings = self.settings
        inherited = partial(process_variables, settings, without=[KEY_VARIABLE])
        return LocalRunner(self.home / "training", secret(settings.checkpoints), settings.device, inherited=inherited)

    @on_first_use
    def registry(self) -> Registry:
        from mlp_resources.registry.mlflow import MlflowRegistry
        from mlp_resources.registry.mlflow_server import MlflowServer

        prepare_clients(self.settings)
        port = self.settings.port_mlflow
        address = f"http://127.0.0.1:{port}"
        server = MlflowServer(address)
        return MlflowRegistry(
            self.home / "mlflow",
            ui=address,
            leases=self.leases,
            server=lambda: server if serves(self.home, port) else None,
        )

    @on_first_use
    def signer(self) -> Signer:
        from mlp_resources.registry.signing_key import SigningKey

        return SigningKey(self.settings.promotion_key or self.home / "keys" / "promotion")

    @on_first_use
    def serving(self) -> ServingControl:
        from mlp_resources.serving.ray import RayServing

        dashboard = f"http://127.0.0.1:{self.settings.port_ray_dashboard}"
        return RayServing(self.home, dashboard, self.settings.port_serve, self.leases)

    @on_first_use
    def monitoring(self) -> MonitoringEngine:
        from mlp_resources.monitoring.nannyml import NannyMonitoring

        prepare_clients(self.settings)
        return NannyMonitoring(self.home / "monitoring")

    @on_first_use
    def shards(self) -> ShardRunner:
        if self.settings.shards == "ray":
            from mlp_resources.compute.shards_ray import RayShards

            prepare_clients(self.settings)
            return RayShards(self.settings.ray, self.settings.memory_gb)
        from mlp_resources.compute.shards_local import LocalShards

        return LocalShards(self.settings.memory_gb)

    def tuner(self, name: str, search: Search, seed: int, *, higher_is_better: bool) -> Tuner:
        from mlp_resources.compute.tuner_optuna import OptunaTuner

        path = self.home / "training" / "searches" / f"{name}.journal"
        return OptunaTuner(path, search.space, seed, higher_is_better=higher_is_better, leases=self.leases)

    def trials(self, cpus: float, function: str) -> Trials:
        from mlp_resources.compute.trials import LocalTrials, RayTrials

        if self.settings.trials != "ray":
            return LocalTrials()
        from mlp_resources.compute.import_paths import import_folder

        prepare_clients(self.settings)
        folder = import_folder(function)
        return RayTrials(cpus, self.settings.ray, [folder] if folder else [])

    def spool_path(self, project: str, endpoint: str) -> str:
        return str(self.home / "spool" / project / endpoint)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Environment]:
        with tempfile.TemporaryDirectory(prefix="mlp-scratch-") as folder:
            settings = self.settings.model_copy(update={"home": Path(folder), "lake": None})
            yield LocalEnvironment(Path(folder), self.now, settings)
