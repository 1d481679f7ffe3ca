"""What Ray is to leave out of its processes. Ray calls both functions, whose names ``HOOKS`` gives it.

Ray starts a server for remote clients, and a process for each page of its dashboard. Nothing here uses the clients'
server (50 MB), nor the pages of Ray Data, Ray Train, metrics and platform events (110 MB).
"""

import importlib
import sys
from typing import Any, cast

HOOKS = {
    "RAY_START_HOOK": f"{__name__}.trim",
    "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR": f"{__name__}.import_serve_without_pandas",
}

# The parts of the dashboard that serve the REST interface of Ray Serve and the browser's pages.
DASHBOARD = ("JobHead", "NodeHead", "ReportHead", "ServeHead", "StateHead")


def trim(params: Any, head: bool) -> None:
    """Changes the parameters of the node that is about to start. Ray calls it in the process of ``ray start``."""
    from ray._private import ray_constants, services

    params.ray_client_server_port = None
    start = services.start_ray_process

    def start_trimmed(command: list[str], process_type: str, *args: Any, **options: Any) -> Any:
        if process_type == ray_constants.PROCESS_TYPE_DASHBOARD:
            command = [*command, f"--modules-to-load={','.join(DASHBOARD)}"]
        return start(command, process_type, *args, **options)

    services.start_ray_process = start_trimmed


def import_serve_without_pandas() -> None:
    """Imports Ray Serve while pandas cannot be imported. Ray calls it at the start of each worker.

    Ray Serve imports pandas (45 MB) in its controller, its proxy and each replica, where it is installed, to encode
    frames that an application returns. Endpoints return none. Whoever imports pandas later gets it.
    """
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = cast("Any", None)
    try:
        importlib.import_module("ray.serve")
    finally:
        del sys.modules["pandas"]
