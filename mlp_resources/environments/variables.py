"""The environment variables of every process of the platform: the one place that composes them.

A user's machine holds variables of other tools: another Ray's address, somebody's MLflow, the ranks of a batch system.
What the libraries below the platform read is therefore set here, or taken away. What is the user's business passes:
GPUs, credentials of stores, the proxy for what lies outside, numbers of threads.
"""

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from mlp_resources.environments.home import prepare_home
from mlp_resources.environments.settings import Settings, load_settings
from mlp_resources.serving.ray_token import token_file

_RAY, _MLFLOW = "RAY_", ("MLFLOW_", "_MLFLOW_")
# Accelerate takes the ranks of MPI for its own; PET_ are the default arguments of torchrun.
_LAUNCHERS = (
    "ACCELERATE_",
    "FSDP_",
    "TORCHELASTIC_",
    "TORCH_ELASTIC_",
    "PET_",
    "PMI_",
    "OMPI_COMM_WORLD_",
    "MV2_COMM_",
)
_RANKS = {
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_NAME",
    "ROLE_RANK", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "CCL_WORLD_SIZE",
}  # fmt: skip
_SERVERS = ("DAGSTER_", "UVICORN_", "FLASK_")
_SERVER_NAMES = {"WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"}
_OWN_HOSTS = ("127.0.0.1", "localhost", "::1")
_NO_PROXY = ("no_proxy", "NO_PROXY", "no_grpc_proxy")


def process_variables(
    settings: Settings, changes: Mapping[str, str] | None = None, without: Collection[str] = ()
) -> dict[str, str]:
    """All variables of a process that the platform starts.

    Args:
        changes: variables of this process alone.
        without: names that it must not inherit.
    """
    inherited = {name: value for name, value in users_variables(os.environ).items() if name not in without}
    return inherited | _platform_variables(settings) | dict(changes or {})


def users_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """What is the user's business among the variables, with this machine added to what is reached without a proxy."""
    foreign, names = (_RAY, *_MLFLOW, *_LAUNCHERS, *_SERVERS), {*_RANKS, *_SERVER_NAMES}
    kept = {n: v for n, v in variables.items() if n not in names and not n.startswith(foreign)}
    return kept | _past_proxies(kept)


def use_home(changes: Mapping[str, str] | None = None) -> Path:
    """Prepares the home, and gives this process the variables of a process of the platform, and others.

    Raises:
        SettingsError: a setting cannot be used.
    """
    folder = prepare_home()
    variables = process_variables(load_settings(), changes)
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    return folder


def prepare_clients(settings: Settings) -> None:
    """Gives this process what our clients of MLflow, Ray and NannyML read, whoever started it.

    Dagster loads a project into processes of its own, and a ``.env`` file may have added variables to them.
    """
    ray = _ray_variables(settings)
    _drop(_MLFLOW)
    if "ray" not in sys.modules:  # Ray gives its own workers variables, which stay
        _drop((_RAY,))
    os.environ.update(_past_proxies(os.environ) | _platform_variables(settings) | ray)


def own_ray_variables(home: Path) -> dict[str, str]:
    """What a client or server of the platform's own Ray needs: it demands the token of the home."""
    return {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file(home))}


def _platform_variables(settings: Settings) -> dict[str, str]:
    server = settings.mlflow if settings.environment == "cluster" else None
    store = server or f"sqlite:///{settings.home}/mlflow/mlflow.db"
    return {
        "MLP_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.home / "dagster"),
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_REGISTRY_URI": store,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "NML_DISABLE_USAGE_LOGGING": "1",
        "DO_NOT_TRACK": "1",
        **_ray_variables(settings),
    }


def _ray_variables(settings: Settings) -> dict[str, str]:
    """Those of the cluster of shards and trials: our own, or the one that the user named, with the user's token."""
    if settings.other_ray is None:
        return own_ray_variables(settings.home)
    passed = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}
    return {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": settings.other_ray, **passed}


def _past_proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """The lists of hosts that are reached without a proxy, with this machine added to them."""
    lists = {name: variables.get(name, "") for name in _NO_PROXY}
    shared = lists["no_proxy"] or lists["NO_PROXY"]
    return {name: ",".join(dict.fromkeys([*_hosts(own or shared), *_OWN_HOSTS])) for name, own in lists.items()}


def _hosts(text: str) -> list[str]:
    return [host for host in (part.strip() for part in text.split(",")) if host]


def _drop(prefixes: tuple[str, ...]) -> None:
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        del os.environ[name]
