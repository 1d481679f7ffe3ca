"""What ``ray start`` is to leave out: ``RAY_START_HOOK=mlp_resources.serving.ray_head.trim``.

Ray starts a server for remote clients, and a process for each page of its dashboard. Nothing here uses the clients'
server (50 MB), nor the pages of Ray Data, Ray Train, metrics and platform events (110 MB).
"""

from typing import Any

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
