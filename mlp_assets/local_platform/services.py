"""The services of the platform on this machine: what is started, on which port, and how it is known to be well."""

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
# Ray's own switch for a machine that is no cluster: without it every server of Ray listens on all interfaces.
_RAY_ON_THIS_MACHINE_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class Ports:
    """One port a service, each with the variable that changes it."""

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
    """A child process: its command, the URL that answers when it is well, what people open, and its environment."""

    name: str
    command: tuple[str, ...]
    health: str
    url: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def health_urls(ports: Ports) -> dict[str, str]:
    """Service -> the URL that answers when it is well."""
    here = "http://127.0.0.1"
    return {
        "ray": f"{here}:{ports.ray_dashboard}/api/serve/applications/",
        "mlflow": f"{here}:{ports.mlflow}/health",
        "dagster": f"{here}:{ports.dagster}/server_info",
    }


def services(ports: Ports, workspace: Path) -> list[Service]:
    """Ray, MLflow and Dagster, all on 127.0.0.1 alone, in the order in which they start.

    Raises:
        MlpError: there is no such workspace file.
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
            _RAY_ON_THIS_MACHINE_ALONE,
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
            {"MLP_TRIALS": load_settings().trials or "ray"},  # beside the endpoints, none in the other's way
        ),
    ]  # fmt: skip


def ray_folder() -> Path:
    """Ray's folder: below the home, or a short one where the home's path is too long for a Unix socket."""
    wanted = home() / "ray"
    if len(str(wanted)) <= _SOCKET_PATH_LIMIT:
        return wanted
    return Path(tempfile.gettempdir()) / f"mlp-{hashlib.sha256(str(wanted).encode()).hexdigest()[:10]}"
