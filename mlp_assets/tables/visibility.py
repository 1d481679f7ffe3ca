"""When feature rows became visible to requests, as expressions over ``event_time`` and ``known_at``.

A row of a moment m that was known at m is visible when the moment is. A version that became known later is visible when
both the moment and that time are. So a visibility has two halves: one time for each moment of the cadence, held as a
series, and a rule for the times at which versions became known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.tables.events import UTC_TIME

AS_KNOWN: pl.Expr = pl.max_horizontal("event_time", "known_at")
"""A row is visible as soon as it has happened and is known."""


@dataclass(frozen=True)
class Grid:
    """The moments of a cadence: ``start + every``, and each ``every`` after it, up to ``last``."""

    start: datetime
    every: timedelta
    last: datetime

    @property
    def count(self) -> int:
        return max(0, (self.last - self.start) // self.every)

    def moments(self) -> pl.Series:
        """(count,) the moments, in order."""
        first = self.start + self.every
        steps = pl.int_range(self.count, eager=True) * (self.every // timedelta(microseconds=1))
        return (pl.repeat(first, self.count, eager=True).cast(UTC_TIME) + steps.cast(pl.Duration("us"))).alias("moment")

    def index_of(self, moment: datetime) -> int:
        """The index of the last moment that is not after ``moment``; negative for none."""
        return (moment - self.start) // self.every - 1

    def place(self, time: pl.Expr) -> pl.Expr:
        """The index of the last moment that is not after ``time``; null for none, and after the last one."""
        since = (time - pl.lit(self.start).cast(UTC_TIME)).dt.total_microseconds()
        place = since // (self.every // timedelta(microseconds=1)) - 1
        return pl.when(place.is_between(0, self.count - 1)).then(place)


@dataclass(frozen=True)
class Visibility:
    """One rule for when rows are visible.

    Args:
        by_moment: (moments of the grid,) the time at which each moment is visible; null for never.
        by_known: the time at which what became known at ``known_at`` is visible; null for never.
    """

    by_moment: pl.Series
    by_known: pl.Expr


def visible_at(grid: Grid, rule: Visibility) -> pl.Expr:
    """The time at which a row is visible by one rule; null for never, and for a row whose moment is off the grid."""
    of_moment, of_version = _of_moment(grid, rule.by_moment), rule.by_known
    later = pl.when(of_moment.is_not_null() & of_version.is_not_null()).then(pl.max_horizontal(of_moment, of_version))
    return pl.when(_is_version()).then(later).otherwise(of_moment)


def visible_since(grid: Grid, before: Visibility, start: datetime, after: Visibility) -> pl.Expr:
    """The time at which a row is visible if the rule ``before`` held until ``start``, and ``after`` from then on."""
    begin = pl.lit(start).cast(UTC_TIME)
    held = pl.DataFrame({"before": before.by_moment, "after": after.by_moment})
    by_moment = held.select(pl.when(pl.col("before") < begin).then("before").otherwise("after")).to_series()
    earlier, later = visible_at(grid, before), visible_at(grid, after)
    versions = pl.when(earlier < begin).then(earlier).otherwise(later)
    return pl.when(_is_version()).then(versions).otherwise(_of_moment(grid, by_moment))


def _is_version() -> pl.Expr:
    return pl.col("known_at") > pl.col("event_time")


def _of_moment(grid: Grid, by_moment: pl.Series) -> pl.Expr:
    return pl.lit(by_moment).gather(grid.place(pl.col("event_time")))
