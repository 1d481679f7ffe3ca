"""Shards in threads of this process."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlp_resources.compute.memory import read_memory
from mlp_resources.ports.shards import Item, Result

_AT_A_TIME = 2  # one writes while the other joins


class LocalShards:
    """Runs shards in threads: Polars and Arrow release the interpreter's lock."""

    def __init__(self, memory_gb: float | None = None) -> None:
        self._memory_gb = memory_gb

    def memory(self) -> int:
        return memory_budget(read_memory().available, self._memory_gb) // _AT_A_TIME

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in futures:
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)


def memory_budget(free: int, memory_gb: float | None) -> int:
    """Half of the free bytes, or of what ``memory_gb`` allows where that is less."""
    return (free if memory_gb is None else min(free, int(memory_gb * 1e9))) // 2
