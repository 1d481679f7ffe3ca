"""Batches of a training: tensors from the files of the training set, which may be larger than memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlp_assets.errors import MlpError
from mlp_assets.tables.row_groups import rows_together
from mlp_assets.training.order import Order, ShuffleWindow
from mlp_assets.training.part_rows import PartRows

_WINDOW_BYTES = 128_000_000
_BYTES = 4


@dataclass
class Position:
    """The position of a training in its epochs.

    Args:
        step: steps of this epoch that ``world_size`` processes completed with batches of ``batch`` rows.
        rows: further rows that were completed since, with another number of processes or another batch size.
    """

    epoch: int = 0
    step: int = 0
    world_size: int = 1
    batch: int = 0
    rows: int = 0


@dataclass
class Loader:
    """Batches of this process: ``x`` float32 (rows, features) with NaN for missing and ``y`` float32 (rows,).

    In an epoch each row is in one batch of one process, and all processes have the same number of batches. The order
    depends only on the seed, the number of processes and the batch size. One window of rows is read ahead.

    Args:
        source: the rows.
        batch: rows of a batch in each process; the last batch of an epoch has between 1 and ``batch`` + 1.
        device: the device to which batches are moved; None leaves them in memory.
        on_batch: called with the number of rows of each batch.
        window_bytes: the approximate size of the rows that are shuffled together; twice as much is in memory.
    """

    source: PartRows
    batch: int
    seed: int
    rank: int = 0
    world_size: int = 1
    shuffle: bool = True
    device: Any = None
    window_bytes: int = _WINDOW_BYTES
    on_batch: Callable[[int], None] = lambda _: None
    position: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise MlpError(f"batch={self.batch} holds no rows. Write batch=1 or more.")
        if self.source.rows < self.world_size:
            raise MlpError(
                f"The part {self.source.part!r} has {self.source.rows} rows, too few for {self.world_size} processes."
            )

    @cached_property
    def order(self) -> Order:
        return self._order(self.world_size, self.batch)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.order.steps

    def epochs(self, number: int) -> Iterator[Iterator[tuple[Any, Any]]]:
        """The epochs up to ``number``, from the loaded position on.

        Each epoch is an iterator of batches. Exhaust it before you take the next one.
        """
        while self.position.epoch < number:
            yield self._epoch()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """One epoch."""
        return self._epoch()

    def state_dict(self) -> dict[str, int]:
        """The position, for a checkpoint; the same in every process."""
        return vars(self.position).copy()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues exactly after the completed batches, whatever the number of processes that completed them."""
        self.position = Position(**state)

    def _order(self, world_size: int, batch: int) -> Order:
        width = len(self.source.encoding.columns)
        block = rows_together(width + 1)
        blocks = max(1, self.window_bytes // (block * width * _BYTES))
        whole = self.source.rows * width * _BYTES <= self.window_bytes
        return Order(self.source.rows, block, blocks, whole, batch, world_size, self.seed, self.shuffle)

    def _epoch(self) -> Iterator[tuple[Any, Any]]:
        at = self.position
        if at.step == 0 and at.rows == 0:
            at.world_size, at.batch = self.world_size, self.batch
        unchanged = (at.world_size, at.batch, at.rows) == (self.world_size, self.batch, 0)
        for x, y in self._own_batches(at) if unchanged else self._remaining_batches(at):
            self.on_batch(len(y))
            yield self._to_device(x), self._to_device(y)
        self.position = Position(at.epoch + 1)

    def _own_batches(self, at: Position) -> Iterator[tuple[Any, Any]]:
        for batch in self._batches(self.order, at.epoch, self.rank, at.step):
            at.step += 1
            yield batch

    def _remaining_batches(self, at: Position) -> Iterator[tuple[Any, Any]]:
        """The rest of an epoch that other processes began: each process reads all of it and takes its share."""
        order = self._order(at.world_size, at.batch)
        left = order.rows - sum(order.bounds(at.step, rank)[0] for rank in range(order.world_size)) - at.rows
        if at.step >= order.steps or left <= 0:
            return
        steps = max(1, -(-(left // self.world_size) // self.batch))
        rest, done = self._rest(order, at), 0
        for step in range(steps):
            count = left - done if step == steps - 1 else self.batch * self.world_size
            x, y = rest.take(count)
            done, at.rows = done + count, at.rows + count
            # With fewer rows than processes all take the same rows, so the mean over processes is the mean over rows.
            mine = slice(count * self.rank // self.world_size, count * (self.rank + 1) // self.world_size)
            mine = mine if count >= self.world_size else slice(None)
            yield x[mine], y[mine]

    def _rest(self, order: Order, at: Position) -> "_Rows":
        others = [self._batches(order, at.epoch, rank, at.step) for rank in range(order.world_size)]
        rest = _Rows(batch for step in zip(*others, strict=True) for batch in step)
        if at.rows:
            rest.take(at.rows)
        return rest

    def _batches(self, order: Order, epoch: int, rank: int, step: int) -> Iterator[tuple[Any, Any]]:
        """The batches of a process, from ``step`` on."""
        import torch

        begin, end = order.bounds(step, rank) if step < order.steps else (0, 0)
        passed, held = 0, []
        for window, (x, y) in self._windows(order, epoch, rank, begin):
            seen, first = torch.from_numpy(window.seen), max(begin - passed, 0)
            while step < order.steps and first < len(seen):
                take = seen[first : end - passed]
                held.append((x[take], y[take]))
                first += len(take)
                if first + passed < end:
                    break
                yield _join(held)
                held, step = [], step + 1
                begin, end = order.bounds(step, rank) if step < order.steps else (end, end)
            passed += len(seen)

    def _windows(self, order: Order, epoch: int, rank: int, begin: int) -> Iterator[tuple[ShuffleWindow, Any]]:
        """The windows and their rows. Windows that end before row ``begin`` come without rows, as they are not read."""
        if order.whole:
            yield next(order.windows(epoch, rank)), self._all
            return
        passed = 0
        with ThreadPoolExecutor(1) as pool:
            pending = None
            for window in order.windows(epoch, rank):
                passed += len(window.seen)
                needed = passed > begin
                reading = (window, pool.submit(self._read, window.ranges if needed else ()))
                if pending is not None:
                    yield pending[0], pending[1].result()
                pending = reading
            if pending is not None:
                yield pending[0], pending[1].result()

    @cached_property
    def _all(self) -> tuple[Any, Any]:
        return self._read(((0, self.source.rows),))

    def _read(self, ranges: tuple[tuple[int, int], ...]) -> tuple[Any, Any]:
        import torch

        count = sum(end - first for first, end in ranges)
        x, y = np.empty((count, len(self.source.encoding.columns)), np.float32), np.empty(count, np.float32)
        place = 0
        for first, end in ranges:
            rows = slice(place, place := place + end - first)
            self.source.read(first, end, x[rows], y[rows])
        return torch.from_numpy(x), torch.from_numpy(y)

    def _to_device(self, rows: Any) -> Any:
        if self.device is None or self.device.type == "cpu":
            return rows
        return rows.pin_memory().to(self.device, non_blocking=True)


class _Rows:
    """Cuts batches into pieces of any number of rows."""

    def __init__(self, batches: Iterator[tuple[Any, Any]]) -> None:
        self._batches, self._held, self._count = batches, list[tuple[Any, Any]](), 0

    def take(self, count: int) -> tuple[Any, Any]:
        while self._count < count:
            self._held.append(next(self._batches))
            self._count += len(self._held[-1][0])
        x, y = _join(self._held)
        self._held, self._count = [(x[count:], y[count:])], self._count - count
        return x[:count], y[:count]


def _join(held: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    import torch

    if len(held) == 1:
        return held[0]
    return torch.cat([x for x, _ in held]), torch.cat([y for _, y in held])
