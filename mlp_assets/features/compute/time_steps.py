"""A view's events reduced to steps of time, and the windows that are put together of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from math import gcd

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.compute.partials import all_partials, combine
from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import UTC_TIME, WITHDRAWN

ID, CLOSING, PAIR, VERSION = "__id", "__closing", "__pair", "__version"
KNOWN, _STEP = "__known", "__step"
_MICROSECOND = timedelta(microseconds=1)


class Steps:
    """The events of entities, and their partials in each step.

    Args:
        events: with the entity's number ``__id``, sorted by time and then by all that they hold.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame) -> None:
        self._view, self._events = view, events
        self._time = view.source.event_time
        self._parts = {f"__{number}_": part for number, part in enumerate(view.parts)}
        self._start = moment(view.root.start)
        lengths = [duration(view.every), *(part.window for part in view.parts if part.window is not None)]
        self._length = gcd(*(length // _MICROSECOND for length in lengths)) * _MICROSECOND

    def values(self, end: datetime) -> pl.DataFrame:
        """One row for each entity with an event within reach of ``end``, as known then: ``__id``, ``__closing`` and the
        view's features."""
        return self._values(end, *(self._seen(rows, end) for rows in self._near(end)))

    def versions(self, end: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
        """As ``values``, but as known at the ``__version`` of each pair with an ``__id``; by the pair's ``__pair``."""
        partials, events = (self._seen_later(rows, end, pairs) for rows in self._near(end))
        return self._values(end, partials, events).rename({ID: PAIR})

    def _near(self, end: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The partials and the events within reach; the events only where an own expression reads them."""
        far = self._view.reach
        first, last = (self._place(end - far) if far is not None else 0), self._place(end)
        events = self._events
        if all(part.traits.from_partials for part in self._parts.values()):
            events = events.clear()
        begin = events[self._time].search_sorted(end - far, "left") if far is not None else 0
        stop = events[self._time].search_sorted(end, "left")
        return self._partials.slice(first, last - first), events.slice(begin, stop - begin)

    def _seen(self, rows: pl.DataFrame, end: datetime) -> pl.DataFrame:
        """What was known at ``end``, and believed."""
        if not self._irregular:
            return rows
        then = pl.lit(end).cast(UTC_TIME)
        still = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > then)
        return rows.filter(pl.col(KNOWN).is_null() | (pl.col(KNOWN) <= then), still)

    def _seen_later(self, rows: pl.DataFrame, end: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
        """What was known of each pair's entity at its version's time: what came late is, all else is as of ``end``."""
        then, moment_ = pl.col(VERSION), pl.lit(end).cast(UTC_TIME)
        known = pl.col(KNOWN).is_null() | (pl.col(KNOWN) <= pl.when("late").then(then).otherwise(moment_))
        still = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > then)
        found = rows.join(pairs, on=ID, maintain_order="left").filter(known, still)
        return found.drop(ID, VERSION).rename({PAIR: ID})

    def _values(self, end: datetime, partials: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
        back = self._view.lookback
        newest = partials.group_by(ID).agg(pl.col(_STEP).max())
        closing = pl.lit(False) if back is None else pl.col(_STEP) < self._step(end - back)
        rows = newest.select(ID, closing.alias(CLOSING))
        for window in dict.fromkeys(part.window for part in self._parts.values()):
            rows = rows.join(self._window(window, end, partials, events), on=ID, how="left")
        zero = [place for place, part in self._parts.items() if part.traits.zero_without_events]
        return rows.with_columns(pl.col(zero).fill_null(0)).select(ID, CLOSING, *self._features())

    def _features(self) -> list[pl.Expr]:
        places = iter(self._parts)
        made: list[pl.Expr] = []
        for name, feature in self._view.features.items():
            own = [pl.col(next(places)).cast(pl.Float64) for _ in feature.parts]
            made.append((own[0] / own[1] if len(own) == 2 else own[0]).alias(name))
        return made

    def _window(
        self, window: timedelta | None, end: datetime, partials: pl.DataFrame, events: pl.DataFrame
    ) -> pl.DataFrame:
        parts = {place: part for place, part in self._parts.items() if part.window == window}
        own = {place: part for place, part in parts.items() if not part.traits.from_partials}
        steps = {place: combine(part, place, end) for place, part in parts.items() if place not in own}
        if window is not None:
            first = int(np.searchsorted(partials[_STEP].to_numpy(), self._step(end - window)))
            partials = partials.slice(first)
            events = events.filter(pl.col(self._time) >= pl.lit(end - window).cast(UTC_TIME)) if own else events
        made = _reduced(partials, [ID], steps)
        return made.join(_reduced(events, [ID], _own(own)), on=ID, how="left") if own else made

    def _place(self, time: datetime) -> int:
        """Where the partials of the steps from ``time`` on begin."""
        return int(np.searchsorted(self._step_numbers, self._step(time)))

    def _step(self, time: datetime) -> int:
        return (time - self._start) // self._length

    @cached_property
    def _step_numbers(self) -> NDArray[np.int64]:
        return self._partials[_STEP].to_numpy()

    @cached_property
    def _irregular(self) -> bool:
        """Whether some moment does not see all that happened before it."""
        found = self._partials.select(pl.col(KNOWN).is_not_null().any() | pl.col(WITHDRAWN).is_not_null().any())
        return bool(found.item())

    @cached_property
    def _partials(self) -> pl.DataFrame:
        """Sorted by step. Events that are known by the next moment of the cadence share a partial, as no moment tells
        them apart; of the others, each time at which they became known has its own."""
        since = pl.col(self._time) - pl.lit(self._start).cast(UTC_TIME)
        step = since.dt.total_microseconds() // (self._length // _MICROSECOND)
        self._events = self._events.with_columns(step.alias(_STEP), self._known().alias(KNOWN))
        by = [_STEP, ID, KNOWN, WITHDRAWN, "late"]
        return _reduced(self._events, by, all_partials(self._parts, self._time)).sort(by)

    def _known(self) -> pl.Expr:
        """When an event is known, where that is after the next moment; null where every moment after it knows it.

        What waits for a delay, as all of its source does, is told apart by moments alone.
        """
        every = duration(self._view.every) // _MICROSECOND
        start = pl.lit(self._start).cast(UTC_TIME)
        after = (pl.col(self._time) - start).dt.total_microseconds() // every + 1
        known = -((-(pl.col("known_at") - start).dt.total_microseconds()) // every)
        slot = start + pl.duration(microseconds=known * every)
        return pl.when(known > after).then(pl.when("late").then("known_at").otherwise(slot))


def _own(parts: Mapping[str, Aggregation]) -> dict[str, pl.Expr]:
    """What the user's own expressions make of the events of the window."""
    values = {place: part.value for place, part in parts.items() if part.value is not None}
    return {
        place: value if (where := parts[place].where) is None else value.filter(where)
        for place, value in values.items()
    }


def _reduced(rows: pl.DataFrame, by: list[str], aggregates: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Each group's aggregates, over its rows in their order.

    Polars may sum a group in pieces whose borders depend on the rows beside it and on the threads at hand: the
    streaming engine does, and the other one where every aggregate can be put together of pieces. A list cannot.
    """
    whole = pl.col(by[0]).implode().list.len()
    made = (
        rows.rechunk()
        .lazy()
        .group_by(by, maintain_order=True)
        .agg(**aggregates, __whole=whole)
        .collect(engine="in-memory")
    )
    return made.drop("__whole")
