"""Ports that nobody uses."""

import socket

from mlp_assets.local_platform.services import Ports


def free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [server.getsockname()[1] for server in opened]
    for server in opened:
        server.close()
    return found


def platform_ports() -> Ports:
    """One free port for each service."""
    return Ports(*free_ports(5))
