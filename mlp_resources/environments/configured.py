"""The environment that the settings choose."""

from pathlib import Path

from mlp_resources.environments.cluster import ClusterEnvironment, check_cluster
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.environments.settings import load_settings
from mlp_resources.ports.environment import Environment


def configured_environment(home: Path | None = None) -> Environment:
    """The environment that ``MLP_ENVIRONMENT`` names.

    Args:
        home: the directory of all state; ``MLP_HOME`` by default, else ``.mlp`` below the working directory.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = load_settings(home)
    match settings.environment:
        case "local":
            return LocalEnvironment(settings.home, given=settings)
        case "cluster":
            check_cluster(settings)
            return ClusterEnvironment(settings.home, given=settings)
