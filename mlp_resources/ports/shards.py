"""What the platform asks of whoever does the parts of a large piece of work."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ShardRunner(Protocol):
    """Does the parts of a piece of work, several at a time."""

    def memory(self) -> int:
        """The bytes of memory that one part may take."""
        ...

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results in the order of the items. All is plain data, and an item may be done twice."""
        ...
