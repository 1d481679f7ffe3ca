"""Keeps a replica's internal server on this machine, where its whole cluster is.

Ray Serve gives each replica a gRPC server for calls between deployments, and binds it to all interfaces, without
authentication (Ray 2.60, ``_on_initialized`` in ray/serve/_private/replica.py). No setting changes the address.
"""

from typing import Any

_ALL, _LOOPBACK = "[::]:", "127.0.0.1"


def listen_on_own_address() -> None:
    """Binds the servers that this replica starts from now on to the loopback address, if its node has that address."""
    import ray
    from ray.serve._private import replica

    if ray.util.get_node_ip_address() != _LOOPBACK:
        return
    add_port = replica.add_port_to_grpc_server

    def add_own_port(server: Any, address: str) -> int:
        return add_port(server, address.replace(_ALL, f"{_LOOPBACK}:"))

    replica.add_port_to_grpc_server = add_own_port
