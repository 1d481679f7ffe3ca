"""In which order the rows of a training are seen, and by which process: pure arithmetic, the same in all of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Rows that are in memory at once: those of ``ranges``, one after the other, seen as ``seen`` says."""

    ranges: tuple[tuple[int, int], ...]
    seen: Places


@dataclass(frozen=True)
class Order:
    """Who sees which of ``rows`` rows when. In each epoch every row is seen once, by one process.

    The rows are cut into blocks; an epoch takes the blocks in an order of its own, some of them at a time (a window),
    and shuffles the rows of a window. Where all rows fit into one window they are shuffled as a whole. Nothing depends
    on where the rows lie in files.

    Args:
        rows: how many there are.
        block: rows that are read together.
        blocks: how many blocks a process has in memory at once.
        whole: whether each process has all rows in memory.
        batch: rows of a step in one process.
        shuffle: False sees the rows in their order.
    """

    rows: int
    block: int
    blocks: int
    whole: bool
    batch: int
    world_size: int
    seed: int
    shuffle: bool = True

    @property
    def steps(self) -> int:
        """Steps of an epoch, the same in every process; the last one has up to ``batch`` + 1 rows, and at least one."""
        return max(1, -(-(self.rows // self.world_size) // self.batch))

    def rows_of(self, rank: int) -> int:
        """Rows that the process sees in an epoch; the processes differ by one at most."""
        return self._share(self.rows, rank)

    def bounds(self, step: int, rank: int) -> tuple[int, int]:
        """Which of the process's rows of an epoch belong to the step."""
        end = self.rows_of(rank) if step == self.steps - 1 else (step + 1) * self.batch
        return step * self.batch, end

    def windows(self, epoch: int, rank: int) -> Iterator[Window]:
        """What the process has in memory, one after the other."""
        if self.whole:
            yield Window(((0, self.rows),), self._shuffled(self.rows, epoch)[rank :: self.world_size])
            return
        order, size = self._shuffled(-(-self.rows // self.block), epoch), self.blocks * self.world_size
        before = 0
        for number, begin in enumerate(range(0, len(order), size)):
            ranges = [self._range(block) for block in order[begin : begin + size]]
            after = before + sum(end - first for first, end in ranges)
            shares = [self._share(after, r) - self._share(before, r) for r in range(self.world_size)]
            start = sum(shares[:rank])
            mine = tuple(_cut(ranges, start, start + shares[rank]))
            yield Window(mine, self._shuffled(shares[rank], epoch, number + 1, rank))
            before = after

    def _share(self, rows: int, rank: int) -> int:
        return (rows + self.world_size - 1 - rank) // self.world_size

    def _range(self, block: int) -> tuple[int, int]:
        return int(block) * self.block, min(self.rows, (int(block) + 1) * self.block)

    def _shuffled(self, count: int, *key: int) -> Places:
        if not self.shuffle:
            return np.arange(count)
        return np.random.default_rng([self.seed, *key]).permutation(count)


def _cut(ranges: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """What of the ranges, laid one after the other, lies between two places."""
    passed = 0
    for first, last in ranges:
        low, high = max(start - passed, 0), min(end - passed, last - first)
        if low < high:
            yield first + low, first + high
        passed += last - first
