"""The environment ``cluster``: tables lie in an object store, and trainings run as Jobs of a Kubernetes cluster.

With ``MLP_DATABASE`` all of the platform runs there: its processes come and go on many machines, so nothing that two of
them must agree on is kept in a home.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from mlp_assets.nouns.search import Search
from mlp_resources.environments.local import LocalEnvironment, on_first_use
from mlp_resources.environments.settings import Settings, SettingsError, secret
from mlp_resources.environments.variables import prepare_clients
from mlp_resources.kubernetes.training_job import Place
from mlp_resources.leases.local import LocalLeases
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.lease import Leases
from mlp_resources.ports.registry import Registry
from mlp_resources.ports.search import Tuner
from mlp_resources.ports.serving import ServingControl
from mlp_resources.ports.training import TrainingRunner
from mlp_resources.serving.none import NoServing

_TRAININGS = ".trainings"  # no project has such a name
_NOT_SERVED = "on Kubernetes the platform serves no endpoints yet. Batch scores of the champion are made."


@dataclass(frozen=True)
class ClusterEnvironment(LocalEnvironment):
    """As ``local``, but for the trainings, and for what processes on several machines share.

    Records, logs and checkpoints of trainings lie beside the tables.
    """

    @on_first_use
    def leases(self) -> Leases:
        return PostgresLeases(self._database) if self._database is not None else LocalLeases(self.home / "leases")

    @property
    def _database(self) -> str | None:
        """The address of the database, with the driver that is installed."""
        address = secret(self.settings.database)
        return address.replace("postgresql://", "postgresql+psycopg2://", 1) if address is not None else None

    @on_first_use
    def registry(self) -> Registry:
        address = self.settings.mlflow
        if address is None:
            return super().registry
        from mlp_resources.registry.mlflow import MlflowRegistry
        from mlp_resources.registry.mlflow_server import MlflowServer

        prepare_clients(self.settings)
        server, ui = MlflowServer(address), self.settings.mlflow_ui or address
        return MlflowRegistry(self.home / "mlflow", address, ui, self.leases, lambda: server)

    def tuner(self, name: str, search: Search, seed: int, *, higher_is_better: bool) -> Tuner:
        if self._database is None:
            return super().tuner(name, search, seed, higher_is_better=higher_is_better)
        from mlp_resources.compute.tuner_optuna import OptunaTuner

        path, better = self.home / "training" / "searches" / f"{name}.journal", higher_is_better
        return OptunaTuner(
            path, search.space, seed, higher_is_better=better, leases=self.leases, database=self._database
        )

    @on_first_use
    def serving(self) -> ServingControl:
        return super().serving if self.settings.database is None else NoServing(_NOT_SERVED)

    @on_first_use
    def runner(self) -> TrainingRunner:
        from mlp_resources.kubernetes.runner import KubernetesRunner

        settings = self.settings
        place = Place(
            namespace=settings.kubernetes_namespace or "",
            image=settings.kubernetes_image or "",
            secret=settings.kubernetes_secret,
            queue=settings.kubernetes_queue,
        )
        root = f"{str(settings.lake).rstrip('/')}/{_TRAININGS}"
        return KubernetesRunner(root, self.home / "training" / "results", place)


def check_cluster(settings: Settings) -> None:
    """Raises SettingsError, which names all settings that the environment lacks."""
    problems = list(_problems(settings))
    if problems:
        raise SettingsError("\n".join(problems))


def _problems(settings: Settings) -> Iterator[str]:
    if find_spec("boto3") is None or find_spec("psycopg2") is None:
        yield "MLP_ENVIRONMENT=cluster needs packages that are not there: pip install 'mlp-assets[cluster]'."
    if not (settings.lake or "").startswith("s3://"):
        yield (
            f"MLP_ENVIRONMENT=cluster needs tables that pods can read, and MLP_LAKE is {settings.lake!r}. Write "
            "MLP_LAKE=s3://bucket/folder."
        )
    if settings.database is not None or settings.mlflow is not None:
        yield from _missing_services(settings)
    if settings.kubernetes_namespace is None:
        yield (
            "MLP_ENVIRONMENT=cluster needs the namespace of the trainings. Write "
            "MLP_KUBERNETES_NAMESPACE=team-shop, for example."
        )
    if settings.kubernetes_image is None:
        yield (
            "MLP_ENVIRONMENT=cluster needs the image of the trainings, with the team's packages. Write "
            "MLP_KUBERNETES_IMAGE=registry/shop:1, for example."
        )


def _missing_services(settings: Settings) -> Iterator[str]:
    """What processes on several machines cannot share without its setting."""
    needed = {
        "database": ("the locks", "postgresql://user@host:5432/name"),
        "mlflow": ("the models", "http://mlflow:5000"),
        "online": ("the online store", "redis://host:6379/0"),
        "promotion_key": ("the key that signs promotions", "/keys/promotion"),
    }
    for name, (what, write) in needed.items():
        if getattr(settings, name) is None:
            yield (
                f"MLP_DATABASE and MLP_MLFLOW are for processes on several machines, which need {what} in one place. "
                f"Write MLP_{name.upper()}={write}, for example."
            )
