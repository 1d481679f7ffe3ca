"""Reduces a view's events to partials, one for each entity and time step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import gcd

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.compute.partials import all_partials, shared_partials
from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import LATE, UTC_TIME, WITHDRAWN

ID, MOMENT, MARK = "__id", "__moment", "__mark"
STEP, KNOWN = "__step", "__known"
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


@dataclass(frozen=True)
class WantedMoments:
    """The moments of a view's cadence for which rows are wanted, in order of time.

    Args:
        times: the moments.
        micros: the same in microseconds since the start of the view's source.
        marks: the number of the time step that begins at each moment.
        runs: the number of the run that each moment belongs to. A row may stand for the moments of a run.
    """

    times: pl.Series
    micros: NDArray[np.int64]
    marks: NDArray[np.int64]
    runs: NDArray[np.int64]

    def rows(self, ids: NDArray[np.int64], places: NDArray[np.int64]) -> pl.DataFrame:
        """The rows of entities at moments: ``__id``, ``__moment`` (its place), ``__mark`` and ``event_time``."""
        columns = {ID: ids, MOMENT: places, MARK: self.marks[places]}
        return pl.DataFrame(columns).with_columns(self.times[places])


class Steps:
    """The events of a view's entities and their partials in each time step.

    The length of a step is the greatest common divisor of the cadence and all windows.

    Args:
        events: the columns of ``as_events`` and the entity's number ``__id``, sorted by it, time and all else.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame) -> None:
        self.view = view
        parts = [part for feature in view.exact_features.values() for part in feature.parts]
        self.parts: Mapping[str, Aggregation] = {f"__{number}_": part for number, part in enumerate(parts)}
        self.shared = shared_partials(self.parts)
        self.start = moment(view.root.start)
        lengths = [duration(view.every), *(part.window for part in view.parts if part.window is not None)]
        self._length = gcd(*(length // _MICROSECOND for length in lengths))
        self._events, self._time = events, view.source.event_time

    def moments(self, times: Sequence[datetime], *, standing: bool = False) -> WantedMoments:
        """The moments at these times.

        Args:
            standing: whether a row may stand for the moments of a day that follow each other; if not, each moment is a
                run of its own.
        """
        ordered = pl.Series("event_time", sorted(times), dtype=UTC_TIME)
        micros, runs = self.micros(ordered), np.arange(len(ordered))
        if standing:
            first = np.diff(micros, prepend=micros[0]) != duration(self.view.every) // _MICROSECOND
            runs = np.cumsum(first | (np.diff((micros - 1) // _DAY, prepend=-1) != 0))
        return WantedMoments(ordered, micros, micros // self._length, runs)

    def micros(self, times: pl.Series) -> NDArray[np.int64]:
        """Microseconds since the start of the view's source. A null counts as long before it."""
        start = (self.start - datetime.fromtimestamp(0, UTC)) // _MICROSECOND
        return times.to_physical().fill_null(0).to_numpy() - start

    def count(self, length: timedelta) -> int:
        """The number of steps in a length of time."""
        return length // _MICROSECOND // self._length

    @cached_property
    def events(self) -> pl.DataFrame:
        """The events with their ``__step`` and ``__known``."""
        start = pl.lit(self.start).cast(UTC_TIME)
        step = (pl.col(self._time) - start).dt.total_microseconds() // self._length
        return self._events.with_columns(step.alias(STEP), self._known().alias(KNOWN))

    @cached_property
    def partials(self) -> pl.DataFrame:
        """The partials, sorted by entity and step.

        Events that are known by the next moment of the cadence share a partial: no moment can tell them apart. Later
        ones have a partial for each time at which they became known.
        """
        by = [ID, STEP, KNOWN, WITHDRAWN, LATE]
        reduced = {place: part for place, part in self.parts.items() if self.shared[place] == place}
        return aggregate(self.events, by, all_partials(reduced, self._time)).sort(by)

    @cached_property
    def irregular(self) -> bool:
        """Whether a moment may not see all events before it: some became known later, or were withdrawn."""
        irregular = self.partials.select(pl.col(KNOWN).is_not_null().any() | pl.col(WITHDRAWN).is_not_null().any())
        return bool(irregular.item())

    def _known(self) -> pl.Expr:
        """When an event became known, if after the next moment; null if every moment after the event knows it.

        A declared delay applies to all rows of a source, so those need only the moment at which they become visible.
        """
        every = duration(self.view.every) // _MICROSECOND
        start = pl.lit(self.start).cast(UTC_TIME)
        after = (pl.col(self._time) - start).dt.total_microseconds() // every + 1
        known = -((-(pl.col("known_at") - start).dt.total_microseconds()) // every)
        slot = start + pl.duration(microseconds=known * every)
        return pl.when(known > after).then(pl.when(LATE).then("known_at").otherwise(slot))


def aggregate(rows: pl.DataFrame, by: Sequence[str], aggregates: Mapping[str, pl.Expr]) -> pl.DataFrame:
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
