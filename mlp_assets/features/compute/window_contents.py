"""Combines the time steps of entities to the contents of the windows that end at a moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from mlp_assets.features.compute.partials import combine
from mlp_assets.features.compute.time_steps import STEP, Steps, aggregate
from mlp_assets.features.compute.window_slices import ROW, Slices
from mlp_assets.nouns.aggregation import Aggregation

NEWEST = "__newest"


@dataclass(frozen=True)
class _Read:
    """What the windows of one length read, and the aggregates of it."""

    slices: Slices
    aggregates: Mapping[str, pl.Expr]
    own: bool = False

    def contents(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A row of aggregates for each window that holds anything.

        Groups of a sorted column are faster, but Polars adds up their numbers in blocks. Only aggregates of partials
        have the same bits either way.
        """
        slices = (part if self.own else part.with_columns(pl.col(ROW).set_sorted()) for part in self.slices.of(rows))
        return pl.concat([self._combine(part) for part in slices])

    def _combine(self, slices: pl.DataFrame) -> pl.DataFrame:
        """One window alone is combined twice, because Polars may round a single row differently."""
        if slices.height == 0 or slices[ROW][0] != slices[ROW][-1]:
            return aggregate(slices, [ROW], self.aggregates)
        twice = pl.concat([slices, slices.with_columns(pl.col(ROW) + 1)])
        return aggregate(twice, [ROW], self.aggregates).head(1)


class WindowContents:
    """The contents of the windows of entities at moments of the cadence.

    A content depends on the steps in the window alone. So it has the same bits at every moment at which the window
    holds those steps, whichever other windows are computed with it.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        windows = dict.fromkeys(part.window for part in steps.parts.values() if part.window is not None)
        self._reads = [self._newest(), *(read for window in windows for read in self._of_window(window))]

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the contents of their windows, null for a window without events.

        Also ``__newest``, the newest step within reach, or null.

        Args:
            rows: the columns of ``Slices.of``, without ``__row``.
        """
        contents = rows.with_row_index(ROW)
        for read in self._reads:
            contents = contents.join(read.contents(contents), on=ROW, how="left", maintain_order="left")
        return contents.drop(ROW)

    def _newest(self) -> _Read:
        """What needs only the newest steps within reach."""
        steps, attributes = self._steps, self._parts_over(None)
        aggregates = {NEWEST: pl.col(STEP).max(), **self._combined(attributes)}
        times = [f"{steps.shared[place]}t" for place in attributes]
        return _Read(Slices(steps, steps.partials, _columns(aggregates), steps.view.reach, newest=times), aggregates)

    def _of_window(self, window: timedelta) -> Iterator[_Read]:
        steps, parts = self._steps, self._parts_over(window)
        own = {place: part for place, part in parts.items() if not part.traits.from_partials}
        combined = self._combined({place: part for place, part in parts.items() if place not in own})
        expressions = _own_expressions(own)
        if combined:
            yield _Read(Slices(steps, steps.partials, _columns(combined), window), combined)
        if own:
            yield _Read(Slices(steps, steps.events, _columns(expressions), window), expressions, own=True)

    def _parts_over(self, window: timedelta | None) -> dict[str, Aggregation]:
        return {place: part for place, part in self._steps.parts.items() if part.window == window}

    def _combined(self, parts: Mapping[str, Aggregation]) -> dict[str, pl.Expr]:
        contents = (combine(part, place, self._steps.shared[place]) for place, part in parts.items())
        return {name: column for content in contents for name, column in content.items()}


def _columns(aggregates: Mapping[str, pl.Expr]) -> list[str]:
    return list(dict.fromkeys(name for aggregate in aggregates.values() for name in aggregate.meta.root_names()))


def _own_expressions(parts: Mapping[str, Aggregation]) -> dict[str, pl.Expr]:
    """The user's own aggregates over the events of a window."""
    values = {place: part.value for place, part in parts.items() if part.value is not None}
    return {
        place: value if (where := parts[place].where) is None else value.filter(where)
        for place, value in values.items()
    }
