"""The environment ``cluster``: tables lie in an object store, and trainings run as Jobs of a Kubernetes cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from mlp_resources.environments.local import LocalEnvironment, on_first_use
from mlp_resources.environments.settings import Settings, SettingsError
from mlp_resources.kubernetes.training_job import Place
from mlp_resources.ports.training import TrainingRunner

_TRAININGS = ".trainings"  # no project has such a name


@dataclass(frozen=True)
class ClusterEnvironment(LocalEnvironment):
    """As ``local``, but for the trainings. Their records, logs and checkpoints lie beside the tables."""

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
    if find_spec("boto3") is None:
        yield "MLP_ENVIRONMENT=cluster needs packages that are not there: pip install 'mlp-assets[cluster]'."
    if not (settings.lake or "").startswith("s3://"):
        yield (
            f"MLP_ENVIRONMENT=cluster needs tables that pods can read, and MLP_LAKE is {settings.lake!r}. Write "
            "MLP_LAKE=s3://bucket/folder."
        )
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
