"""``mlflow server`` in one process: ``python -m mlp_resources.registry.mlflow_process [OPTIONS OF mlflow server]``.

MLflow's command starts the server as a child and waits for it, holding 220 MB for as long. Here the child replaces it.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any


def main(options: list[str]) -> None:
    """Becomes the server."""
    from mlflow import cli, server

    server._exec_cmd = _become  # pyrefly: ignore[bad-assignment]
    cli.cli(["server", *options])


def _become(command: list[str], *, extra_env: Mapping[str, str], **_: Any) -> None:
    os.execvpe(command[0], command, os.environ | dict(extra_env))


if __name__ == "__main__":
    main(sys.argv[1:])
