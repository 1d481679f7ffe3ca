"""Recomputes sampled training rows from raw events and reports every value that no request at its row's time had."""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.nouns.aggregation import Feature
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.events import LATE
from mlp_assets.training_sets.compute.recompute import MISSING, Recomputed, moment_of, recompute, within
from mlp_assets.training_sets.compute.seen import Seen

Row = Mapping[str, Any]
_LATER_MOMENTS = 60


@dataclass(frozen=True)
class Leak:
    """A stored value that differs from the value that a request at its row's time had."""

    feature: str
    row: str
    stored: float | None
    known: float | None
    why: str

    def __str__(self) -> str:
        return (
            f"feature {self.feature!r} of row {self.row} is {self.stored}, but {self.known} was known then: {self.why}"
        )


class ViewEvidence:
    """What a view's features are recomputed from.

    Args:
        events: the source's rows as ``as_events`` returns them, for the entities of the sampled rows.
        moments: the ``event_time`` values of the view's table, sorted.
        seen: which of its rows a request had.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame, moments: Sequence[datetime], seen: Seen) -> None:
        self.view, self._moments, self._seen = view, moments, seen
        self._time = view.source.event_time
        self._no_events = events.clear()
        self._by_entity = events.partition_by(list(view.entity.keys), as_dict=True)

    def recompute(self, row: Row) -> dict[str, Recomputed]:
        """The value that each aggregated feature of the view should have in a training row."""
        moment = self._moment(row)
        return self._values(row, moment, self._visible(row, moment, row["at"]), self.view.exact_features)

    def explain(self, row: Row, name: str, stored: float | None) -> str:
        """The likeliest cause of a wrong stored value."""
        moment = self._moment(row)
        later = [end for end in self._moments if end > row["at"]][:_LATER_MOMENTS]
        feature = {name: self.view.exact_features[name]}
        if self._values(row, moment, self._events(row), feature)[name].agrees(stored):
            return "it counts events that became known only afterwards"
        for end in later:
            if self._values(row, end, self._visible(row, end, end), feature)[name].agrees(stored):
                return f"it is the value of {end:%Y-%m-%d %H:%M}, which was in the future"
        return "the rows that were known then do not give it"

    def _values(
        self, row: Row, moment: datetime | None, events: pl.DataFrame, features: Mapping[str, Feature]
    ) -> dict[str, Recomputed]:
        ttl, lookback = self.view.ttl_length, self.view.lookback
        if moment is None or (ttl is not None and row["at"] - moment > ttl):
            return dict.fromkeys(features, MISSING)
        if events.filter(within(self._time, moment, lookback)).is_empty():
            return dict.fromkeys(features, MISSING)
        empty = self.view.empty
        return {name: recompute(each, events, self._time, moment, empty=empty) for name, each in features.items()}

    def _events(self, row: Row) -> pl.DataFrame:
        return self._by_entity.get(tuple(row[key] for key in self.view.entity.keys), self._no_events)

    def _visible(self, row: Row, moment: datetime | None, at: datetime) -> pl.DataFrame:
        """The events known by the moment, and the late ones in the version that was seen, unless withdrawn by then."""
        events, withdrawn = self._events(row), pl.col("withdrawn_at")
        if moment is None:
            return events.clear()
        since, now = moment_of(moment), moment_of(at)
        late = events.filter(pl.col(LATE) & (pl.col("known_at") > since) & (pl.col("known_at") <= now))["known_at"]
        gone = events.filter((withdrawn > since) & (withdrawn <= now))["withdrawn_at"]
        changes = {*late.to_list(), *gone.to_list()}
        seen = [change for change in changes if self._seen.had(moment, change, at)]
        until = moment_of(max(seen, default=moment))
        known = (pl.col("known_at") <= moment_of(moment)) | (pl.col(LATE) & (pl.col("known_at") <= until))
        return events.filter(known, withdrawn.is_null() | (withdrawn > until))

    def _moment(self, row: Row) -> datetime | None:
        """The newest moment with a row of the entity that a request at the row's time had.

        An entity has its last row when it goes quiet. If that moment was not online yet, a request had the row before.
        """
        newest, reach = self._had(row["at"], row["at"]), self.view.reach
        if newest is None or reach is None:
            return newest
        before = self._visible(row, newest, row["at"]).filter(within(self._time, newest, None))
        last = before[self._time].max()
        if isinstance(last, datetime) and last + reach < newest:
            return self._had(last + reach, row["at"])
        return newest

    def _had(self, until: datetime, at: datetime) -> datetime | None:
        """The newest moment up to ``until`` that a request at ``at`` had."""
        past = self._moments[: bisect_right(self._moments, until)]
        return next((moment for moment in reversed(past) if self._seen.had(moment, moment, at)), None)


def find_leaks(training_set: TrainingSet, rows: Sequence[Row], evidence: Sequence[ViewEvidence]) -> Iterator[Leak]:
    """The first leak of each feature in the rows."""
    reported: set[str] = set()
    for row in rows:
        for leak in _leaks_of_row(training_set, row, evidence, reported):
            reported.add(leak.feature)
            yield leak


def _leaks_of_row(
    training_set: TrainingSet, row: Row, evidence: Sequence[ViewEvidence], reported: Collection[str]
) -> Iterator[Leak]:
    """The leaks of a row in features that are not yet reported."""
    where = ", ".join(f"{name}={_shown(row[name])}" for name in (*training_set.keys, "at"))
    for view_evidence in evidence:
        view = view_evidence.view
        for name, known in view_evidence.recompute(row).items():
            if name not in reported and not known.agrees(row[name]):
                yield Leak(name, where, row[name], known.value, view_evidence.explain(row, name, row[name]))
        if view.derived:
            missing = all(row[name] is None for name in view.features)
            leaks = _derived_leaks(row, where, view.derived, list(view.features), (), missing=missing)
            yield from (leak for leak in leaks if leak.feature not in reported)
    inputs = [name for name in training_set.numbers if name not in training_set.derived]
    other = [*training_set.keys, *(name for name in training_set.request if name not in inputs)]
    leaks = _derived_leaks(row, where, training_set.derived, inputs, other, missing=False)
    yield from (leak for leak in leaks if leak.feature not in reported)


def _derived_leaks(
    row: Row, where: str, derived: Mapping[str, pl.Expr], inputs: Sequence[str], other: Sequence[str], *, missing: bool
) -> Iterator[Leak]:
    """Derived features whose stored value is not what their expression gives for this row alone.

    Args:
        missing: the row has no events, so its derived features are missing too.
    """
    if not derived:
        return
    numbers = {name: pl.Series([row[name]], dtype=pl.Float64) for name in inputs}
    alone = pl.DataFrame({name: [row[name]] for name in other} | numbers)
    values = with_derived(alone, derived, inputs).row(0, named=True)
    for name in derived:
        known = Recomputed(None if missing else values[name])
        if not known.agrees(row[name]):
            yield Leak(name, where, row[name], known.value, "it depends on rows other than its own")


def _shown(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else repr(value)
