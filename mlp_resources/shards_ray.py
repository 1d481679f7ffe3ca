"""The parts of a large piece of work, done by the workers of a Ray cluster."""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mlp_assets.spec.errors import MlpError
from mlp_resources.ports_shards import Item, Result
from mlp_resources.shards_local import bounded

_RETRIES, _PATIENCE, _HERE = 5, 60, ("127.0.0.1", "localhost")


class RayShards:
    """Tasks of one processor each on the cluster at ``RAY_ADDRESS``, or on the one that `mlp up` started here.

    A task whose worker is lost is done again by another one.
    """

    def __init__(self, address: str | None = None) -> None:
        here = f"127.0.0.1:{os.environ.get('MLP_PORT_RAY', '6379')}"
        self._address = address or os.environ.get("RAY_ADDRESS") or here

    def memory(self) -> int:
        """Half of what the smallest node has for each of its processors, or of ``MLP_MEMORY_GB`` for each worker."""
        nodes = [node["Resources"] for node in self._connected().nodes() if node["Alive"]]
        shares = [node["memory"] / max(1.0, node.get("CPU", 0.0)) for node in nodes if "memory" in node]
        return bounded(int(min(shares)))

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        ray = self._connected()
        task = ray.remote(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)(_done)
        shared = ray.put(work)
        references = [task.remote(shared, item) for item in items]
        try:
            for reference in references:
                yield self._result(ray, reference)
        finally:
            for reference in references:
                ray.cancel(reference, force=False)
            ray.wait(references, num_returns=len(references), timeout=_PATIENCE)

    def _result(self, ray: Any, reference: Any) -> Any:
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MlpError):
                raise error.cause from error
            raise
        except ray.exceptions.RayError as error:
            raise MlpError(
                f"Ray at {self._address} lost a shard {_RETRIES + 1} times: {error}. Give its workers more memory, or "
                "unset MLP_SHARDS to run it here."
            ) from error

    def _connected(self) -> Any:
        import ray
        from ray._private import ray_constants

        if ray.is_initialized():
            return ray
        host, _, port = self._address.rpartition(":")
        if host in _HERE:
            # `mlp up` starts a Ray of this machine alone; Ray's own switch for that is read when it is imported.
            ray_constants.ENABLE_RAY_CLUSTER = False
        try:
            if port.isdecimal() and "://" not in host:
                socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would ask for minutes
            ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR)
        except OSError as error:
            raise MlpError(
                f"No Ray answers at {self._address}, and MLP_SHARDS=ray asks for one: {error}. Start it with `mlp up`, "
                "set RAY_ADDRESS, or unset MLP_SHARDS."
            ) from error
        return ray


def _done(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
