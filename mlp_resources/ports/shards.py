"""The port of work that is divided into shards."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ShardRunner(Protocol):
    """Runs the shards of a large computation, several at a time."""

    def memory(self) -> int:
        """The bytes of memory that one shard may use."""
        ...

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """``work`` of each item, in the order of the items.

        Items and results are plain data. An item may be computed twice, so ``work`` must be idempotent.
        """
        ...
