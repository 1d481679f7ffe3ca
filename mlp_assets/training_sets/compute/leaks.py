"""Does a training row hold what was known at its own time, and nothing else? Sampled rows, derived a second way."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.nouns.aggregation import Feature
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.tables.derived import with_derived
from mlp_assets.training_sets.compute.recompute import MISSING, Answer, answer

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Leak:
    """A value that was not known at its row's time: where it stands, what it is, what it should be, and why."""

    feature: str
    row: str
    stored: float | None
    known: float | None
    why: str

    def __str__(self) -> str:
        return (
            f"feature {self.feature!r} of row {self.row} is {self.stored}, and {self.known} was known then: {self.why}"
        )


class ViewEvidence:
    """What a view's features are derived from again.

    Args:
        events: the source's rows as ``as_events`` gives them, those of the sampled entities.
        moments: the moments of which the view's table has rows, sorted.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame, moments: Sequence[datetime]) -> None:
        self.view, self._moments = view, moments
        self._time = view.source.event_time
        self._none = events.clear()
        self._of = events.partition_by(list(view.entity.keys), as_dict=True)

    def answers(self, row: Row) -> dict[str, Answer]:
        """What each aggregated feature of the view should be in a training row."""
        moment = self._moment(row["at"])
        return self._answers(row, moment, self._visible(row, moment, row["at"]), self.view.features)

    def why(self, row: Row, name: str, stored: float | None) -> str:
        """What would explain the stored value."""
        moment = self._moment(row["at"])
        later = [end for end in self._moments if end > row["at"]][:60]
        alone = {name: self.view.features[name]}
        if self._answers(row, moment, self._events(row), alone)[name].agrees(stored):
            return "it counts events that became known only afterwards"
        for end in later:
            if self._answers(row, end, self._visible(row, end, end), alone)[name].agrees(stored):
                return f"it is the value of {end:%Y-%m-%d %H:%M}, which was in the future"
        return "no rows that were known then give it"

    def _answers(
        self, row: Row, moment: datetime | None, events: pl.DataFrame, features: Mapping[str, Feature]
    ) -> dict[str, Answer]:
        ttl, back = self.view.ttl_length, self.view.lookback
        expired = moment is None or (ttl is not None and row["at"] - moment > ttl)
        if expired or moment is None:
            return dict.fromkeys(features, MISSING)
        near = pl.col(self._time) < moment
        if back is not None:
            near = near & (pl.col(self._time) >= moment - back)
        if events.filter(near).is_empty():
            return dict.fromkeys(features, MISSING)
        return {name: answer(told, events, self._time, moment) for name, told in features.items()}

    def _events(self, row: Row) -> pl.DataFrame:
        return self._of.get(tuple(row[key] for key in self.view.entity.keys), self._none)

    def _visible(self, row: Row, moment: datetime | None, at: datetime) -> pl.DataFrame:
        """The events that were known by the moment, and those that came late, but by the row's time."""
        events, gone = self._events(row), pl.col("withdrawn_at")
        if moment is None:
            return events.clear()
        late = pl.col("late") & (pl.col("known_at") <= at)
        return events.filter((pl.col("known_at") <= moment) | late, gone.is_null() | (gone > at))

    def _moment(self, at: datetime) -> datetime | None:
        return max((end for end in self._moments if end <= at), default=None)


def leaks(training_set: TrainingSet, rows: Sequence[Row], evidence: Sequence[ViewEvidence]) -> Iterator[Leak]:
    """The leaks in the rows: at most one for each feature, the first that is found."""
    told: set[str] = set()
    for row in rows:
        for leak in _leaks_of(training_set, row, evidence, told):
            told.add(leak.feature)
            yield leak


def _leaks_of(
    training_set: TrainingSet, row: Row, evidence: Sequence[ViewEvidence], told: Collection[str]
) -> Iterator[Leak]:
    """The leaks of a row in features that have not been told of."""
    where = ", ".join(f"{name}={_shown(row[name])}" for name in (*training_set.keys, "at"))
    for seen in evidence:
        answers = seen.answers(row)
        for name, known in answers.items():
            if name not in told and not known.agrees(row[name]):
                yield Leak(name, where, row[name], known.value, seen.why(row, name, row[name]))
        if seen.view.derived:
            nothing = all(row[name] is None for name in seen.view.features)
            own = _derived_leaks(row, where, seen.view.derived, list(seen.view.features), (), nothing)
            yield from (leak for leak in own if leak.feature not in told)
    given = [name for name in training_set.numbers if name not in training_set.derived]
    asked = [*training_set.keys, *(name for name in training_set.request if name not in given)]
    own = _derived_leaks(row, where, training_set.derived, given, asked, nothing=False)
    yield from (leak for leak in own if leak.feature not in told)


def _derived_leaks(
    row: Row, where: str, derived: Mapping[str, pl.Expr], given: Sequence[str], keys: Sequence[str], nothing: bool
) -> Iterator[Leak]:
    """What the expressions make of the row alone. ``nothing`` tells a row of no events, of which all is missing."""
    if not derived:
        return
    numbers = {name: pl.Series([row[name]], dtype=pl.Float64) for name in given}
    alone = pl.DataFrame({key: [row[key]] for key in keys} | numbers)
    made = with_derived(alone, derived, given).row(0, named=True)
    for name in derived:
        known = Answer(None if nothing else made[name])
        if not known.agrees(row[name]):
            yield Leak(name, where, row[name], known.value, "it depends on other rows than its own")


def _shown(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else repr(value)
