"""Shards as tasks of a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence

from mlp_resources.compute.ray_cluster import connect, ordered_results
from mlp_resources.compute.shards_local import memory_budget
from mlp_resources.ports.shards import Item, Result

_RETRIES, _PATIENCE, _FOR_EACH_PROCESSOR = 5, 60, 2


class RayShards:
    """Runs each shard as a task of one processor on the cluster at ``address``; another worker repeats a lost task."""

    def __init__(self, address: str, memory_gb: float | None = None) -> None:
        self._address, self._memory_gb = address, memory_gb

    def memory(self) -> int:
        """Half of the smallest node's memory per processor, or of ``memory_gb`` for each worker."""
        nodes = [node["Resources"] for node in connect(self._address, "MLP_SHARDS").nodes() if node["Alive"]]
        shares = [node["memory"] / max(1.0, node.get("CPU", 0.0)) for node in nodes if "memory" in node]
        return memory_budget(int(min(shares)), self._memory_gb)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        ray = connect(self._address, "MLP_SHARDS")
        task = ray.remote(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)(_run)
        shared = ray.put(work)
        at_once = _FOR_EACH_PROCESSOR * max(1, int(ray.cluster_resources().get("CPU", 1)))
        lost = f"Ray at {self._address} lost a shard {_RETRIES + 1} times: {{error}}. Give its workers more memory, or "
        yield from ordered_results(
            lambda item: task.remote(shared, item),
            items,
            at_once=at_once,
            patience_seconds=_PATIENCE,
            lost=lost + "unset MLP_SHARDS to run it here.",
        )


def _run(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
