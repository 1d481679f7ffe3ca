"""Batches for a training: tensors straight from the files of the training set, larger than memory if need be."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlp_assets.errors import MlpError
from mlp_assets.tables.row_groups import rows_together
from mlp_assets.training.order import Order, Window
from mlp_assets.training.part_rows import PartRows

_WINDOW_BYTES = 128_000_000
_BYTES = 4


@dataclass
class Position:
    """Where a training is: ``step`` steps of the epoch were done by ``world_size`` processes with batches of ``batch``.

    ``rows`` of the rows after those were done since, by processes or batches of another number.
    """

    epoch: int = 0
    step: int = 0
    world_size: int = 1
    batch: int = 0
    rows: int = 0


@dataclass
class Loader:
    """Batches of this process: ``x`` float32 (rows, features) with NaN for missing and ``y`` float32 (rows,).

    In an epoch each row is in one batch of one process, and every process has as many batches. The order depends on the
    seed, the number of processes and the batch alone. While one window of rows is used the next one is read.

    Args:
        source: where the rows come from.
        batch: rows of a batch, in each process; the last batch of an epoch has between 1 and ``batch`` + 1.
        device: where the batches go; None leaves them in memory.
        passed: is called with the rows of each batch.
        window_bytes: about so many bytes of rows are shuffled together, and twice as many are in memory.
    """

    source: PartRows
    batch: int
    seed: int
    rank: int = 0
    world_size: int = 1
    shuffle: bool = True
    device: Any = None
    window_bytes: int = _WINDOW_BYTES
    passed: Callable[[int], None] = lambda _: None
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
        """Goes through the epochs up to ``number``, from where ``load_state_dict`` has said.

        Each is an iterator of batches, to be used up before the next one is asked for.
        """
        while self.position.epoch < number:
            yield self._epoch()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """One epoch."""
        return self._epoch()

    def state_dict(self) -> dict[str, int]:
        """Where the training is, for a checkpoint; the same in every process."""
        return vars(self.position).copy()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on exactly after the batches that were done, by however many processes."""
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
        same = (at.world_size, at.batch, at.rows) == (self.world_size, self.batch, 0)
        for x, y in self._own(at) if same else self._taken_over(at):
            self.passed(len(y))
            yield self._placed(x), self._placed(y)
        self.position = Position(at.epoch + 1)

    def _own(self, at: Position) -> Iterator[tuple[Any, Any]]:
        for batch in self._batches(self.order, at.epoch, self.rank, at.step):
            at.step += 1
            yield batch

    def _taken_over(self, at: Position) -> Iterator[tuple[Any, Any]]:
        """The rest of an epoch that other processes began: each process reads all of it, and takes its share."""
        order = self._order(at.world_size, at.batch)
        left = order.rows - sum(order.bounds(at.step, rank)[0] for rank in range(order.world_size)) - at.rows
        if at.step >= order.steps or left <= 0:
            return
        steps = max(1, -(-(left // self.world_size) // self.batch))
        rest, passed = self._rest(order, at), 0
        for step in range(steps):
            count = left - passed if step == steps - 1 else self.batch * self.world_size
            x, y = rest.take(count)
            passed, at.rows = passed + count, at.rows + count
            # Too few rows for all: the mean over processes that see the same rows is that over the rows.
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
        """The batches of a process from the step on."""
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
                yield _joined(held)
                held, step = [], step + 1
                begin, end = order.bounds(step, rank) if step < order.steps else (end, end)
            passed += len(seen)

    def _windows(self, order: Order, epoch: int, rank: int, begin: int) -> Iterator[tuple[Window, Any]]:
        """The windows that have rows from ``begin`` on; those before come without their rows."""
        if order.whole:
            yield next(order.windows(epoch, rank)), self._all
            return
        passed = 0
        with ThreadPoolExecutor(1) as pool:
            waiting = None
            for window in order.windows(epoch, rank):
                passed += len(window.seen)
                needed = passed > begin
                reading = (window, pool.submit(self._read, window.ranges if needed else ()))
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = reading
            if waiting is not None:
                yield waiting[0], waiting[1].result()

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

    def _placed(self, rows: Any) -> Any:
        if self.device is None or self.device.type == "cpu":
            return rows
        return rows.pin_memory().to(self.device, non_blocking=True)


class _Rows:
    """Rows out of batches, as many at a time as are asked for."""

    def __init__(self, batches: Iterator[tuple[Any, Any]]) -> None:
        self._batches, self._held, self._count = batches, list[tuple[Any, Any]](), 0

    def take(self, count: int) -> tuple[Any, Any]:
        while self._count < count:
            self._held.append(next(self._batches))
            self._count += len(self._held[-1][0])
        x, y = _joined(self._held)
        self._held, self._count = [(x[count:], y[count:])], self._count - count
        return x[:count], y[:count]


def _joined(held: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    import torch

    if len(held) == 1:
        return held[0]
    return torch.cat([x for x, _ in held]), torch.cat([y for _, y in held])
