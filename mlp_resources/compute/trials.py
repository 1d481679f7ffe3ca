"""Trials of a search, side by side: in threads of this process, or as tasks of a Ray cluster."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlp_assets.errors import MlpError
from mlp_resources.compute.import_paths import inherited_python_path
from mlp_resources.compute.memory import read_memory, trials_at_once
from mlp_resources.compute.ray_cluster import connect, ordered_results
from mlp_resources.ports.shards import Item, Result

_RETRIES, _ROOM_SECONDS, _END_SECONDS, _POLL_SECONDS = 2, 60.0, 60, 1.0


class LocalTrials:
    """Runs trials in threads; each trial trains in processes of its own."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(_at_once(len(items))) as pool:
            yield from pool.map(work, items)


class RayTrials:
    """Runs trials as tasks that each reserve ``cpus`` of the cluster at ``address``; a lost task is repeated.

    Args:
        path: folders in which the workers find the project's code.
    """

    def __init__(self, cpus: float, address: str, path: Sequence[str] = ()) -> None:
        self._cpus, self._path, self._address = cpus, tuple(path), address

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        ray = connect(self._address, "MLP_TRIALS")
        self._wait_for_room(ray)
        search = os.pathsep.join(path for path in (*self._path, inherited_python_path()) if path)
        runtime = {"env_vars": {"PYTHONPATH": search}} if search else {}
        task = ray.remote(num_cpus=self._cpus, max_retries=_RETRIES, runtime_env=runtime)(_run)
        yield from ordered_results(
            lambda item: task.remote(work, item),
            items,
            at_once=_at_once(len(items)),
            patience_seconds=_END_SECONDS,
            lost=f"Ray at {self._address} lost a trial {_RETRIES + 1} times: {{error}}.",
        )

    def _wait_for_room(self, ray: Any) -> None:
        """Blocks until the cluster has room for one trial. Raises MlpError where it never has, or not in time."""
        deadline = time.monotonic() + _ROOM_SECONDS
        while (free := ray.available_resources().get("CPU", 0.0)) < self._cpus:
            total = ray.cluster_resources().get("CPU", 0.0)
            if total < self._cpus or time.monotonic() > deadline:
                raise MlpError(
                    f"A trial reserves {self._cpus:g} CPUs, and Ray at {self._address} has {free:g} of {total:g} free. "
                    "Write a smaller cpus in mlp.Search, take an endpoint down, or add a node."
                )
            time.sleep(_POLL_SECONDS)


def _at_once(wanted: int) -> int:
    """Trials of a batch that run at a time. A batch in turns has the same settings and results as one side by side."""
    memory = read_memory()
    count = trials_at_once(wanted, memory)
    if count < wanted:
        logging.getLogger(__name__).warning("Trials run one at a time, because %s is free.", memory)
    return count


def _run(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
