"""A machine on which other tools are used: their variables, their files, and their servers, which count who calls."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_RANKS = ("RANK", "LOCAL_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK")
_SIZES = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")


@dataclass(frozen=True)
class MachineInUse:
    """Variables of a user's shell, and what foreign servers were sent.

    Args:
        variables: of a proxy, an MLflow, a Ray, a batch system and a Dagster; their addresses are counting servers.
        asked: the first bytes of each connection to one of the servers.
        user_home: the user's home folder, with Ray's token in it.
    """

    variables: dict[str, str]
    asked: list[bytes]
    user_home: Path

    def changes(self) -> list[str]:
        """What is in the user's home folder besides what was there, and whether Ray's token is another one."""
        token = self.user_home / ".ray" / "auth_token"
        files = [str(path) for path in (self.user_home / ".ray").iterdir() if path != token]
        return files + ([] if token.read_text() == _TOKEN else [f"{token} was changed"])


_TOKEN = "somebody-elses-token"


@contextlib.contextmanager
def machine_in_use(folder: Path) -> Iterator[MachineInUse]:
    """Such a machine, with its files below ``folder``."""
    user_home = folder / "user"
    (user_home / ".ray").mkdir(parents=True)
    (user_home / ".ray" / "auth_token").write_text(_TOKEN)
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_count, args=(server, asked), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        url = f"http://{address}"
        yield MachineInUse(
            {
                "HOME": str(user_home),
                **dict.fromkeys(_PROXIES, url),
                **dict.fromkeys(_RANKS, "3"),
                **dict.fromkeys(_SIZES, "8"),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": address.partition(":")[2],
                "MLFLOW_TRACKING_URI": url,
                "MLFLOW_REGISTRY_URI": url,
                "MLFLOW_RUN_ID": "0123456789abcdef0123456789abcdef",
                "MLFLOW_EXPERIMENT_NAME": "theirs",
                "RAY_ADDRESS": address,
                "RAY_NAMESPACE": "theirs",
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": _TOKEN,
                "RAY_TMPDIR": str(folder / "missing"),
                "ACCELERATE_MIXED_PRECISION": "fp8",
                "PET_NNODES": "4",
                "DAGSTER_HOME": str(folder / "their_dagster"),
                "DAGSTER_WEBSERVER_PORT": "1",
                "UVICORN_PORT": "1",
                "WEB_CONCURRENCY": "4",
            },
            asked,
            user_home,
        )


def _count(server: socket.socket, asked: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                asked.append(connection.recv(200))
