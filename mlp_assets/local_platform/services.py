"""The services of the platform on this machine: their commands, ports and health checks."""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mlp_assets.errors import MlpError
from mlp_assets.local_platform.health import Probe
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import Settings, load_settings
from mlp_resources.environments.variables import own_ray_variables
from mlp_resources.serving.ray_head import HOOKS
from mlp_resources.serving.ray_token import authorization, ensure_token

_HERE = "127.0.0.1"
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
_SOCKET_PATH_LIMIT = 40
_RAY = {
    # Ray's switch for a single machine. Without it, every server of Ray listens on all interfaces.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    **HOOKS,
    # Workers that wait for tasks hold 50 MB each. The first task starts its own, in a second.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
    # Ray asks the kernel to kill its workers, the replicas, before anything else. It also kills them itself when the
    # machine is nearly full, whoever filled it: a training would cost an endpoint, which has to stay.
    "RAY_worker_oom_score_adjustment": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}


@dataclass(frozen=True)
class Ports:
    """The port of each service."""

    dagster: int
    mlflow: int
    ray: int
    ray_dashboard: int
    serve: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "Ports":
        return cls(**{port.name: getattr(settings, f"port_{port.name}") for port in fields(cls)})

    def by_variable(self) -> dict[str, int]:
        """The variable that sets each port, and the port."""
        return {f"MLP_PORT_{name.upper()}": number for name, number in vars(self).items()}


@dataclass(frozen=True)
class Service:
    """A child process of the platform.

    Args:
        health: how to ask it whether it is healthy.
        url: what people open.
        settings: environment variables of this service alone.
        without: variables that it does not inherit.
        starts: how often it is started before it counts as broken."""

    name: str
    command: tuple[str, ...]
    health: Probe
    url: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    without: tuple[str, ...] = ()
    starts: int = 1


def probes(ports: Ports, folder: Path) -> dict[str, Probe]:
    """Service name -> how to ask it whether it is healthy."""
    here = "http://127.0.0.1"
    return {
        "ray": Probe(f"{here}:{ports.ray_dashboard}/api/serve/applications/", authorization(folder)),
        "mlflow": Probe(f"{here}:{ports.mlflow}/health"),
        "dagster": Probe(f"{here}:{ports.dagster}/server_info"),
    }


def services(ports: Ports, workspace: Path) -> list[Service]:
    """Ray, MLflow and Dagster in the order in which they start. All listen on 127.0.0.1 only.

    Raises:
        MlpError: the workspace file does not exist.
    """
    if not workspace.exists():
        raise MlpError(f"There is no workspace file {workspace}. Run from the project's folder, or pass -w FILE.")
    settings = load_settings()
    folder = settings.home
    ensure_token(folder)
    health = probes(ports, folder)
    return [
        _ray(ports, folder, health["ray"]),
        _mlflow(ports, folder, health["mlflow"]),
        _dagster(ports, workspace, settings, health["dagster"]),
    ]


def _ray(ports: Ports, folder: Path, health: Probe) -> Service:
    command = (
        *_held((str(Path(sys.executable).parent / "ray"),)), "start", "--head", f"--node-ip-address={_HERE}",
        f"--port={ports.ray}", f"--dashboard-host={_HERE}", f"--dashboard-port={ports.ray_dashboard}",
        "--include-dashboard=true", "--disable-usage-stats", "--include-log-monitor=false", "--no-monitor",
        f"--num-cpus={os.cpu_count() or 1}", f"--temp-dir={ray_folder()}",
    )  # fmt: skip
    # With the cluster that the user named for shards and trials, its token is in the environment. This is not it.
    variables, without = _RAY | own_ray_variables(folder), ("RAY_ADDRESS", "RAY_AUTH_TOKEN")
    # Ray gives up where its parts do not find each other in 30 s, as on a busy machine that reads its files first.
    return Service("ray", command, health, f"http://{_HERE}:{ports.ray_dashboard}", variables, without, starts=2)


def _mlflow(ports: Ports, folder: Path, health: Probe) -> Service:
    command = (
        *_python("mlp_resources.registry.mlflow_process"), "--host", _HERE, "--port", str(ports.mlflow),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow/mlflow.db",
        "--default-artifact-root", f"{folder}/mlflow/artifacts",
    )  # fmt: skip
    return Service("mlflow", command, health, f"http://{_HERE}:{ports.mlflow}")


def _dagster(ports: Ports, workspace: Path, settings: Settings, health: Probe) -> Service:
    starter = _python("mlp_assets.local_platform.dagster_servers")
    command = (*_held(starter), str(workspace), str(ports.dagster), str(_socket_folder("dagster/sockets")))
    trials = {"MLP_TRIALS": settings.trials or "ray"}  # they share the cluster with the endpoints
    return Service("dagster", command, health, f"http://{_HERE}:{ports.dagster}", trials)


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", module


def _held(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command under the guard, which holds the servers that the command leaves behind."""
    return *_python("mlp_resources.compute.guard"), *command


def ray_folder() -> Path:
    """Ray's folder."""
    return _socket_folder("ray")


def _socket_folder(name: str) -> Path:
    """A folder of Unix sockets: below the home, or a short and plain path where the home's is neither.

    A long one does not fit a socket, and Ray takes braces, quotes and signs of percent in a path for its own.
    """
    folder = home() / name
    if len(str(folder)) <= _SOCKET_PATH_LIMIT and _PLAIN.fullmatch(str(folder)):
        return folder
    return Path(tempfile.gettempdir()) / f"mlp-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}"
