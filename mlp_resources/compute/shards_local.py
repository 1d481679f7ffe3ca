"""The parts of a large piece of work, done in this process."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from mlp_assets.errors import MlpError
from mlp_resources.ports.shards import Item, Result, ShardRunner

_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_AT_A_TIME = 2  # one writes while the other joins


class LocalShards:
    """Threads: what they call leaves Python's lock alone."""

    def memory(self) -> int:
        return bounded(psutil.virtual_memory().available) // _AT_A_TIME

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in futures:
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)


def bounded(free: int) -> int:
    """Half of the bytes, or of what the container or ``MLP_MEMORY_GB`` allows where that is less.

    Raises:
        MlpError: ``MLP_MEMORY_GB`` is no number.
    """
    with contextlib.suppress(OSError, ValueError):  # "max", or no container
        free = min(free, int(_CONTAINER.read_text()))
    written = os.environ.get("MLP_MEMORY_GB")
    if written:
        try:
            free = min(free, int(float(written) * 1e9))
        except ValueError:
            raise MlpError(f"MLP_MEMORY_GB={written!r} is no number. Write MLP_MEMORY_GB=4 for 4 GB, say.") from None
    return free // 2


def shard_runner(named: str | None) -> ShardRunner:
    """The runner of this name; this process by default. Raises MlpError where there is none of the name."""
    if named == "ray":
        from mlp_resources.compute.shards_ray import RayShards

        return RayShards()
    if named in (None, "", "local"):
        return LocalShards()
    raise MlpError(f"MLP_SHARDS={named!r} names nothing that runs shards. Write 'local' or 'ray'.")
