"""The services of the platform on this machine: their commands, ports and health checks."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mlp_assets.errors import MlpError
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import Settings, load_settings

_SOCKET_PATH_LIMIT = 40
# Ray's switch for a single machine. Without it, every server of Ray listens on all interfaces.
_RAY_ON_ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Ray asks the kernel to kill its workers, the replicas, before anything else. It also kills them itself when the
# machine is nearly full, whoever filled it: a training would cost an endpoint, which has to stay.
_RAY_SPARES_REPLICAS = {"RAY_worker_oom_score_adjustment": "0", "RAY_memory_monitor_refresh_ms": "0"}


@dataclass(frozen=True)
class Ports:
    """The port of each service."""

    dagster: int
    mlflow: int
    ray: int
    ray_dashboard: int
    ray_client: int
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
        health: URL that answers with success once the service is healthy.
        url: what people open.
        settings: environment variables of this service alone."""

    name: str
    command: tuple[str, ...]
    health: str
    url: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def health_urls(ports: Ports) -> dict[str, str]:
    """Service name -> URL that answers with success once the service is healthy."""
    here = "http://127.0.0.1"
    return {
        "ray": f"{here}:{ports.ray_dashboard}/api/serve/applications/",
        "mlflow": f"{here}:{ports.mlflow}/health",
        "dagster": f"{here}:{ports.dagster}/server_info",
    }


def services(ports: Ports, workspace: Path) -> list[Service]:
    """Ray, MLflow and Dagster in the order in which they start. All listen on 127.0.0.1 only.

    Raises:
        MlpError: the workspace file does not exist.
    """
    if not workspace.exists():
        raise MlpError(f"There is no workspace file {workspace}. Run from the project's folder, or pass -w FILE.")
    binaries, folder = Path(sys.executable).parent, home()
    ray, mlflow, dagster = (str(binaries / name) for name in ("ray", "mlflow", "dagster"))
    here, health = "127.0.0.1", health_urls(ports)
    return [
        Service(
            "ray",
            (
                ray, "start", "--head", "--block", f"--node-ip-address={here}", f"--port={ports.ray}",
                f"--dashboard-host={here}", f"--dashboard-port={ports.ray_dashboard}",
                f"--ray-client-server-port={ports.ray_client}", "--disable-usage-stats",
                f"--num-cpus={os.cpu_count() or 1}", f"--temp-dir={ray_folder()}",
            ),
            health["ray"],
            f"http://{here}:{ports.ray_dashboard}",
            _RAY_ON_ONE_MACHINE | _RAY_SPARES_REPLICAS,
        ),
        Service(
            "mlflow",
            (
                mlflow, "server", "--host", here, "--port", str(ports.mlflow), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{folder}/mlflow/mlflow.db",
                "--default-artifact-root", f"{folder}/mlflow/artifacts",
            ),
            health["mlflow"],
            f"http://{here}:{ports.mlflow}",
        ),
        Service(
            "dagster",
            (dagster, "dev", "-w", str(workspace), "-h", here, "-p", str(ports.dagster)),
            health["dagster"],
            f"http://{here}:{ports.dagster}",
            {"MLP_TRIALS": load_settings().trials or "ray"},  # they share the cluster with the endpoints
        ),
    ]  # fmt: skip


def ray_folder() -> Path:
    """Ray's folder: below the home, or a short path where the home's is too long for a Unix socket."""
    folder = home() / "ray"
    if len(str(folder)) <= _SOCKET_PATH_LIMIT:
        return folder
    return Path(tempfile.gettempdir()) / f"mlp-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}"
