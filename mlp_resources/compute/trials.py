"""Trials of a search, side by side: in threads of this process, or as tasks of a Ray cluster beside its endpoints."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlp_assets.errors import MlpError
from mlp_resources.compute.import_paths import inherited_python_path
from mlp_resources.compute.ray_cluster import connected, results
from mlp_resources.ports.shards import Item, Result

_RETRIES, _ROOM_SECONDS, _END_SECONDS, _POLL_SECONDS = 2, 60.0, 60, 1.0


class LocalTrials:
    """Threads: each trial trains in processes of its own."""

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(max(1, len(items))) as pool:
            yield from pool.map(work, items)


class RayTrials:
    """Tasks that each reserve ``cpus`` of the cluster at ``address``; one whose worker is lost is done again.

    Args:
        path: folders in which the workers find the project's code.
    """

    def __init__(self, cpus: float, address: str, path: Sequence[str] = ()) -> None:
        self._cpus, self._path, self._address = cpus, tuple(path), address

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        ray = connected(self._address, "MLP_TRIALS")
        self._wait_for_room(ray)
        search = os.pathsep.join(filter(None, [*self._path, inherited_python_path()]))
        surroundings = {"env_vars": {"PYTHONPATH": search}} if search else {}
        task = ray.remote(num_cpus=self._cpus, max_retries=_RETRIES, runtime_env=surroundings)(_trial)
        yield from results(
            lambda item: task.remote(work, item),
            items,
            at_once=len(items),
            patience_seconds=_END_SECONDS,
            lost=f"Ray at {self._address} lost a trial {_RETRIES + 1} times: {{error}}.",
        )

    def _wait_for_room(self, ray: Any) -> None:
        """Returns once a trial fits: then the others follow one after the other. Raises MlpError where none does."""
        deadline = time.monotonic() + _ROOM_SECONDS
        while (free := ray.available_resources().get("CPU", 0.0)) < self._cpus:
            whole = ray.cluster_resources().get("CPU", 0.0)
            if whole < self._cpus or time.monotonic() > deadline:
                raise MlpError(
                    f"A trial reserves {self._cpus:g} CPUs, and Ray at {self._address} has {free:g} of {whole:g} free. "
                    "Write a smaller cpus in mlp.Search, take an endpoint down, or add a node."
                )
            time.sleep(_POLL_SECONDS)


def _trial(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
