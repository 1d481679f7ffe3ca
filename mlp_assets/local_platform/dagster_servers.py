"""Starts Dagster's servers and leaves them: ``python -m ...dagster_servers WORKSPACE PORT FOLDER``.

It does what ``dagster dev`` does, which then stays and holds 100 MB. Here the process ends, and the guard that started
it holds the servers: a code server for each location of the workspace, the web server and the daemon.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.remote_origin import CodeLocationOrigin, ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._grpc.constants import GrpcServerCommand
from dagster._grpc.server import open_server_process

_HOST, _LEVEL = "127.0.0.1", "warning"


def main(workspace: str, port: str, sockets: str) -> None:
    """Returns when the code servers answer, at sockets in a folder, and the other two are started."""
    with dg.DagsterInstance.get() as instance:
        seconds = instance.code_server_process_startup_timeout
    folder = Path(sockets)
    shutil.rmtree(folder, ignore_errors=True)  # a killed platform left its sockets
    folder.mkdir(parents=True)
    entries = [
        _entry(origin, folder / str(number), seconds)
        for number, origin in enumerate(location_origins_from_yaml_paths([workspace]))
    ]
    resolved = folder / "workspace.yaml"
    resolved.write_text(yaml.safe_dump({"load_from": [{"grpc_server": entry} for entry in entries]}))
    common = ["--workspace", str(resolved), "--code-server-log-level", _LEVEL]
    python = [sys.executable, "-m"]
    web = ["dagster_webserver", "--port", port, "--host", _HOST, "--dagster-log-level", "info"]
    subprocess.Popen([*python, *web, "--live-data-poll-rate", "2000", *common])
    subprocess.Popen([*python, "dagster._daemon", "run", "--log-level", "info", *common])


def _entry(origin: CodeLocationOrigin, socket: Path, seconds: int) -> Mapping[str, Any]:
    """Where the location is served, as an entry of a workspace file. Starts its code server, unless it names one."""
    if not isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin):
        named = {name: getattr(origin, name) for name in ("location_name", "host", "port", "socket")}
        return {name: value for name, value in named.items() if value is not None}
    open_server_process(
        instance_ref=None,
        port=None,
        socket=str(socket),
        server_command=GrpcServerCommand.CODE_SERVER_START,
        location_name=origin.location_name,
        loadable_target_origin=origin.loadable_target_origin,
        startup_timeout=seconds,
        log_level=_LEVEL,
    )
    metadata = origin.loadable_target_origin.as_dict
    return {"location_name": origin.location_name, "socket": str(socket), "additional_metadata": metadata}


if __name__ == "__main__":
    main(*sys.argv[1:])
