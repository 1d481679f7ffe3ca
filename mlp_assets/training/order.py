"""The order in which the processes of a training see its rows: pure arithmetic, equal in all processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True)
class ShuffleWindow:
    """Rows that are in memory at the same time.

    Args:
        ranges: (first, end) of rows, laid one after the other.
        seen: places in those rows, in the order in which they are seen.
    """

    ranges: tuple[tuple[int, int], ...]
    seen: Places


@dataclass(frozen=True)
class Order:
    """Which process sees which rows when. In each epoch every row is seen once, by one process.

    Rows are divided into blocks. An epoch shuffles the blocks, takes several at a time (a window), and shuffles the
    rows of each window. Where all rows fit into one window they are shuffled together. The order does not depend on
    how the rows are divided into files.

    Args:
        rows: the number of rows.
        block: the number of rows that are read together.
        blocks: the number of blocks that a process has in memory.
        whole: whether each process has all rows in memory.
        batch: rows of a step in one process.
        shuffle: False keeps the order of the rows.
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
        """Steps of an epoch, the same in every process. The last step has between 1 and ``batch`` + 1 rows."""
        return max(1, -(-(self.rows // self.world_size) // self.batch))

    def rows_of(self, rank: int) -> int:
        """The number of rows that the process sees in an epoch; processes differ by one at most."""
        return self._share(self.rows, rank)

    def bounds(self, step: int, rank: int) -> tuple[int, int]:
        """The first row of a step and its end, counted in the process's rows of an epoch."""
        end = self.rows_of(rank) if step == self.steps - 1 else (step + 1) * self.batch
        return step * self.batch, end

    def windows(self, epoch: int, rank: int) -> Iterator[ShuffleWindow]:
        """The windows of a process in an epoch."""
        if self.whole:
            yield ShuffleWindow(((0, self.rows),), self._shuffled(self.rows, epoch)[rank :: self.world_size])
            return
        order, size = self._shuffled(-(-self.rows // self.block), epoch), self.blocks * self.world_size
        before = 0
        for number, begin in enumerate(range(0, len(order), size)):
            ranges = [self._range(block) for block in order[begin : begin + size]]
            after = before + sum(end - first for first, end in ranges)
            shares = [self._share(after, r) - self._share(before, r) for r in range(self.world_size)]
            start = sum(shares[:rank])
            mine = tuple(_cut(ranges, start, start + shares[rank]))
            yield ShuffleWindow(mine, self._shuffled(shares[rank], epoch, number + 1, rank))
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
    """The parts of the ranges that lie between two places, when the ranges are laid one after the other."""
    passed = 0
    for first, last in ranges:
        low, high = max(start - passed, 0), min(end - passed, last - first)
        if low < high:
            yield first + low, first + high
        passed += last - first
