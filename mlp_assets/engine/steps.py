"""A view's events reduced to steps of time, and the windows that are put together of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from math import gcd

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.engine.events import UTC_TIME, WITHDRAWN
from mlp_assets.engine.partials import ZERO_WITHOUT_EVENTS, all_partials, combined
from mlp_assets.spec.aggregation import Aggregation
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.words import duration, moment

ID, CLOSING = "__id", "__closing"
_STEP, _KNOWN = "__step", "__known"
_MICROSECOND = timedelta(microseconds=1)


def reach(view: FeatureView) -> timedelta | None:
    """How far before its moment a feature row reads: the longest window, and one cadence for the closing row."""
    return view.lookback + duration(view.every) if view.lookback is not None else None


class Steps:
    """The events of entities, and their partials in each step.

    Args:
        events: with the entity's number ``__id``, sorted by time and then by all that they hold.
        as_known: whether a window counts only what was known at its end; else all that is here.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame, *, as_known: bool) -> None:
        self._view = view
        self._time = view.source.event_time
        self._parts = {f"__{number}_": part for number, part in enumerate(view.parts)}
        self._start = moment(view.root.start)
        lengths = [duration(view.every), *(part.window for part in view.parts if part.window is not None)]
        self._length = gcd(*(length // _MICROSECOND for length in lengths)) * _MICROSECOND
        self._as_known = as_known and bool((events["late"] | events[WITHDRAWN].is_not_null()).any() or self._delayed)
        self._events = events

    def values(self, end: datetime) -> pl.DataFrame:
        """One row for each entity within reach of ``end``: ``__id``, ``__closing`` and the view's features."""
        far, back = reach(self._view), self._view.lookback
        newest = self._partials_of(far, end).group_by(ID).agg(pl.col(_STEP).max())
        closing = pl.lit(False) if back is None else pl.col(_STEP) < self._step(end - back)
        rows = newest.select(ID, closing.alias(CLOSING))
        for window in dict.fromkeys(part.window for part in self._parts.values()):
            rows = rows.join(self._window(window, end), on=ID, how="left")
        zero = [place for place, part in self._parts.items() if part.kind in ZERO_WITHOUT_EVENTS]
        return rows.with_columns(pl.col(zero).fill_null(0)).select(ID, CLOSING, *self._features())

    def _features(self) -> list[pl.Expr]:
        places = iter(self._parts)
        made: list[pl.Expr] = []
        for name, feature in self._view.features.items():
            own = [pl.col(next(places)).cast(pl.Float64) for _ in feature.parts]
            made.append((own[0] / own[1] if len(own) == 2 else own[0]).alias(name))
        return made

    def _window(self, window: timedelta | None, end: datetime) -> pl.DataFrame:
        parts = {place: part for place, part in self._parts.items() if part.window == window}
        own = {place: part for place, part in parts.items() if part.kind == "expression"}
        steps = {place: combined(part, place, end) for place, part in parts.items() if place not in own}
        made = _reduced(self._partials_of(window, end), [ID], steps)
        if not own:
            return made
        return made.join(self._own(own, window, end), on=ID, how="left")

    def _own(self, parts: dict[str, Aggregation], window: timedelta | None, end: datetime) -> pl.DataFrame:
        """What the user's own expressions make of the events of the window."""
        first = self._events[self._time].search_sorted(end - window, "left") if window is not None else 0
        last = self._events[self._time].search_sorted(end, "left")
        events = self._visible(self._events.slice(first, last - first), "known_at", end)
        values = {place: part.value for place, part in parts.items() if part.value is not None}
        kept = {
            place: value if (where := parts[place].where) is None else value.filter(where)
            for place, value in values.items()
        }
        return _reduced(events, [ID], kept)

    def _partials_of(self, window: timedelta | None, end: datetime) -> pl.DataFrame:
        first = self._place(end - window) if window is not None else 0
        last = self._place(end)
        return self._visible(self._partials.slice(first, last - first), _KNOWN, end)

    def _visible(self, rows: pl.DataFrame, known: str, end: datetime) -> pl.DataFrame:
        if not self._as_known:
            return rows
        then = pl.lit(end).cast(UTC_TIME)
        still = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > then)
        return rows.filter(pl.col(known).is_null() | (pl.col(known) <= then), still)

    def _step(self, time: datetime) -> int:
        return (time - self._start) // self._length

    def _place(self, time: datetime) -> int:
        """Where the partials of the steps from ``time`` on begin."""
        return int(np.searchsorted(self._step_numbers, self._step(time)))

    @cached_property
    def _step_numbers(self) -> NDArray[np.int64]:
        return self._partials[_STEP].to_numpy()

    @property
    def _delayed(self) -> bool:
        return bool(self._view.root.delay_length)

    @cached_property
    def _partials(self) -> pl.DataFrame:
        """Sorted by step. Events that are known by the next moment of the cadence share a partial, as no moment tells
        them apart; of the others each moment at which they become known has its own."""
        since = pl.col(self._time) - pl.lit(self._start).cast(UTC_TIME)
        events = self._events.with_columns(
            (since.dt.total_microseconds() // (self._length // _MICROSECOND)).alias(_STEP), self._slot().alias(_KNOWN)
        )
        by = [_STEP, ID, _KNOWN, WITHDRAWN]
        return _reduced(events, by, all_partials(self._parts, self._time)).sort(by)

    def _slot(self) -> pl.Expr:
        """The first moment of the cadence at which an event is known; null where every moment after it knows it."""
        every = duration(self._view.every) // _MICROSECOND
        start = pl.lit(self._start).cast(UTC_TIME)
        after = (pl.col(self._time) - start).dt.total_microseconds() // every + 1
        known = -((-(pl.col("known_at") - start).dt.total_microseconds()) // every)
        slot = start + pl.duration(microseconds=known * every)
        return pl.when(known > after).then(slot)


def _reduced(rows: pl.DataFrame, by: list[str], aggregates: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Each group's aggregates, over its rows in their order.

    Polars may sum a group in pieces whose borders depend on the rows beside it and on the threads at hand: the
    streaming engine does, and the other one where every aggregate can be put together of pieces. A list cannot.
    """
    whole = pl.col(by[0]).implode().list.len()
    made = rows.lazy().group_by(by, maintain_order=True).agg(**aggregates, __whole=whole).collect(engine="in-memory")
    return made.drop("__whole")
