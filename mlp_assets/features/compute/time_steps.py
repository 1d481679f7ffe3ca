"""Reduces a view's events to time steps, and combines the steps to windows."""

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
    """The events of a view's entities and their partials in each time step.

    The length of a step is the greatest common divisor of the cadence and all windows.

    Args:
        events: the columns of ``as_events`` and the entity's number ``__id``, sorted by time and then by all columns.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame) -> None:
        self._view, self._events = view, events
        self._time = view.source.event_time
        self._parts = {f"__{number}_": part for number, part in enumerate(view.parts)}
        self._start = moment(view.root.start)
        lengths = [duration(view.every), *(part.window for part in view.parts if part.window is not None)]
        self._length = gcd(*(length // _MICROSECOND for length in lengths)) * _MICROSECOND

    def values(self, end: datetime) -> pl.DataFrame:
        """The features as known at ``end``: a row for each entity with an event within reach.

        Returns:
            ``__id``, ``__closing`` (whether the entity has gone quiet) and the view's features.
        """
        return self._values(end, *(self._seen(rows, end) for rows in self._near(end)))

    def versions(self, end: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
        """Like ``values``, but each pair's ``__id`` as known at its ``__version``; a row for each ``__pair``."""
        partials, events = (self._seen_later(rows, end, pairs) for rows in self._near(end))
        return self._values(end, partials, events).rename({ID: PAIR})

    def _near(self, end: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The partials and the events within reach; no events unless an own expression reads them."""
        reach = self._view.reach
        first, last = (self._place(end - reach) if reach is not None else 0), self._place(end)
        events = self._events
        if all(part.traits.from_partials for part in self._parts.values()):
            events = events.clear()
        begin = events[self._time].search_sorted(end - reach, "left") if reach is not None else 0
        stop = events[self._time].search_sorted(end, "left")
        return self._partials.slice(first, last - first), events.slice(begin, stop - begin)

    def _seen(self, rows: pl.DataFrame, end: datetime) -> pl.DataFrame:
        """The rows that were known at ``end`` and not withdrawn."""
        if not self._irregular:
            return rows
        moment = pl.lit(end).cast(UTC_TIME)
        valid = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > moment)
        return rows.filter(pl.col(KNOWN).is_null() | (pl.col(KNOWN) <= moment), valid)

    def _seen_later(self, rows: pl.DataFrame, end: datetime, pairs: pl.DataFrame) -> pl.DataFrame:
        """The rows of each pair's entity as known at its version. Only late rows are newer than ``end``."""
        version, moment = pl.col(VERSION), pl.lit(end).cast(UTC_TIME)
        known = pl.col(KNOWN).is_null() | (pl.col(KNOWN) <= pl.when("late").then(version).otherwise(moment))
        valid = pl.col(WITHDRAWN).is_null() | (pl.col(WITHDRAWN) > version)
        seen = rows.join(pairs, on=ID, maintain_order="left").filter(known, valid)
        return seen.drop(ID, VERSION).rename({PAIR: ID})

    def _values(self, end: datetime, partials: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
        lookback = self._view.lookback
        newest = partials.group_by(ID).agg(pl.col(_STEP).max())
        closing = pl.lit(False) if lookback is None else pl.col(_STEP) < self._step(end - lookback)
        rows = newest.select(ID, closing.alias(CLOSING))
        for window in dict.fromkeys(part.window for part in self._parts.values()):
            rows = rows.join(self._window(window, end, partials, events), on=ID, how="left")
        zero = [place for place, part in self._parts.items() if part.traits.zero_without_events]
        return rows.with_columns(pl.col(zero).fill_null(0)).select(ID, CLOSING, *self._features())

    def _features(self) -> list[pl.Expr]:
        places = iter(self._parts)
        features: list[pl.Expr] = []
        for name, feature in self._view.features.items():
            parts = [pl.col(next(places)).cast(pl.Float64) for _ in feature.parts]
            features.append((parts[0] / parts[1] if len(parts) == 2 else parts[0]).alias(name))
        return features

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
        combined = _aggregate(partials, [ID], steps)
        return combined.join(_aggregate(events, [ID], _own_expressions(own)), on=ID, how="left") if own else combined

    def _place(self, time: datetime) -> int:
        """The index of the first partial at or after ``time``."""
        return int(np.searchsorted(self._step_numbers, self._step(time)))

    def _step(self, time: datetime) -> int:
        return (time - self._start) // self._length

    @cached_property
    def _step_numbers(self) -> NDArray[np.int64]:
        return self._partials[_STEP].to_numpy()

    @cached_property
    def _irregular(self) -> bool:
        """Whether a moment may not see all events before it: some became known later, or were withdrawn."""
        irregular = self._partials.select(pl.col(KNOWN).is_not_null().any() | pl.col(WITHDRAWN).is_not_null().any())
        return bool(irregular.item())

    @cached_property
    def _partials(self) -> pl.DataFrame:
        """The partials, sorted by step.

        Events that are known by the next moment of the cadence share a partial: no moment can tell them apart. Later
        ones have a partial for each time at which they became known.
        """
        since = pl.col(self._time) - pl.lit(self._start).cast(UTC_TIME)
        step = since.dt.total_microseconds() // (self._length // _MICROSECOND)
        self._events = self._events.with_columns(step.alias(_STEP), self._known().alias(KNOWN))
        by = [_STEP, ID, KNOWN, WITHDRAWN, "late"]
        return _aggregate(self._events, by, all_partials(self._parts, self._time)).sort(by)

    def _known(self) -> pl.Expr:
        """When an event became known, if after the next moment; null if every moment after the event knows it.

        A declared delay applies to all rows of a source, so those need only the moment at which they become visible.
        """
        every = duration(self._view.every) // _MICROSECOND
        start = pl.lit(self._start).cast(UTC_TIME)
        after = (pl.col(self._time) - start).dt.total_microseconds() // every + 1
        known = -((-(pl.col("known_at") - start).dt.total_microseconds()) // every)
        slot = start + pl.duration(microseconds=known * every)
        return pl.when(known > after).then(pl.when("late").then("known_at").otherwise(slot))


def _own_expressions(parts: Mapping[str, Aggregation]) -> dict[str, pl.Expr]:
    """The user's own aggregates over the events of a window."""
    values = {place: part.value for place, part in parts.items() if part.value is not None}
    return {
        place: value if (where := parts[place].where) is None else value.filter(where)
        for place, value in values.items()
    }


def _aggregate(rows: pl.DataFrame, by: list[str], aggregates: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Each group's aggregates over its rows in their order, bit for bit the same whatever other rows there are.

    Polars may split a group at borders that depend on other rows and on the number of threads: the streaming engine
    always, the in-memory engine if every aggregate can be merged from pieces. A list cannot, so ``__whole`` is added.
    """
    whole = pl.col(by[0]).implode().list.len()
    aggregated = (
        rows.rechunk()
        .lazy()
        .group_by(by, maintain_order=True)
        .agg(**aggregates, __whole=whole)
        .collect(engine="in-memory")
    )
    return aggregated.drop("__whole")
