"""Reads the slice of each window: the steps, or the events, of an entity between the two ends of the window."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.compute.time_steps import ID, KNOWN, MARK, STEP, Steps
from mlp_assets.tables.events import LATE, WITHDRAWN
from mlp_assets.tables.ranges import write_out

ROW = "__row"
_MOST_READ = 1_000_000  # rows in memory at a time, unless one window has more


class Slices:
    """Windows of one length over the rows of steps or of events.

    Args:
        read: the steps or events, sorted by ``__id`` and ``__step``.
        columns: the columns of ``read`` that are wanted.
        window: the length. None means all.
        newest: only the newest rows are wanted, and those with the newest of each of these times.
    """

    def __init__(
        self,
        steps: Steps,
        read: pl.DataFrame,
        columns: Sequence[str],
        window: timedelta | None,
        *,
        newest: Sequence[str] | None = None,
    ) -> None:
        self._length = steps.count(window) if window is not None else None
        self._irregular = steps.irregular
        seen = [KNOWN, WITHDRAWN, LATE] if self._irregular else []
        self._read = read.select(*dict.fromkeys([*(columns or [ID]), *seen]))
        numbers = read[STEP].to_numpy()
        self._low = int(numbers.min()) if len(numbers) else 0
        self._span = (int(numbers.max()) - self._low if len(numbers) else 0) + 2
        self._places = read[ID].to_numpy().astype(np.int64) * self._span + (numbers - self._low)
        self._oldest = _oldest_needed(read, newest) if newest is not None else None

    def of(self, windows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """What the windows hold, with the ``__row`` of the window; in parts of bounded size, at least one.

        Args:
            windows: ``__row`` (the number of the row), ``__id``, ``__mark`` (the step at which the window ends),
                ``event_time`` (the time of its end) and ``known_at`` (the window holds what was known then).
        """
        first, stop = self._ends(windows)
        for begin, end in _parts(stop - first):
            part = self._slices(first[begin:end], stop[begin:end], begin)
            yield _seen(part, windows) if self._irregular else part

    def _ends(self, windows: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The index of the first row of each window, and of the row after its last."""
        entity = windows[ID].to_numpy().astype(np.int64) * self._span
        mark = windows[MARK].to_numpy() - self._low
        stop = np.searchsorted(self._places, entity + mark.clip(0, self._span - 1))
        since = (mark - self._length).clip(0, self._span - 1) if self._length is not None else 0
        first = np.searchsorted(self._places, entity + since)
        if self._oldest is not None and len(self._oldest):
            first = np.maximum(first, self._oldest[np.maximum(stop - 1, 0)])
        return first, np.maximum(first, stop)

    def _slices(self, first: NDArray[np.int64], stop: NDArray[np.int64], begin: int) -> pl.DataFrame:
        window, index = write_out(first, stop - first)
        row = (begin + window).astype(np.uint32)
        return self._read[index.astype(np.uint32)].with_columns(pl.Series(ROW, row))


def _parts(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of windows that together hold at most ``_MOST_READ`` rows, or are one window."""
    read, begin = np.concatenate([[0], np.cumsum(counts)]), 0
    while begin < len(counts) or begin == 0:
        end = max(begin + 1, int(np.searchsorted(read, read[begin] + _MOST_READ, "right")) - 1)
        yield begin, end
        begin = end


def _oldest_needed(read: pl.DataFrame, times: Sequence[str]) -> NDArray[np.int64]:
    """For each row, how far back a window that ends with it must read to hold the newest row and the newest ``times``.

    That is the newest step that every version of the window holds.
    """
    index = pl.int_range(pl.len())
    new_step = (pl.struct(ID, STEP) != pl.struct(ID, STEP).shift()).fill_null(value=True)
    first_of_step = pl.when(new_step).then(index).forward_fill()
    always = pl.col(KNOWN).is_null() & pl.col(WITHDRAWN).is_null()
    wanted = [always, *(always & pl.col(time).is_not_null() for time in times)]
    oldest = [pl.when(held).then(first_of_step).forward_fill().fill_null(0) for held in wanted]
    return read.select(pl.min_horizontal(oldest)).to_series().to_numpy()


def _seen(slices: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """What was known at the version of the window. Only late rows are newer than its end."""
    end, version = (windows[column][slices[ROW]] for column in ("event_time", "known_at"))
    timed = slices.with_columns(__end=end, __version=version)
    newest = pl.when(LATE).then("__version").otherwise("__end")
    known = pl.col(KNOWN).is_null() | (pl.col(KNOWN) <= newest)
    valid = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > pl.col("__version"))
    return timed.filter(known, valid)
