"""A second way to the value of a feature: plain Python over the events of one entity, for the leak certificate.

It shares nothing with ``windows``, ``steps``, ``partials`` and ``asof`` but the specs, so that a fault of theirs shows.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum, isclose, isfinite

import polars as pl

from mlp_assets.nouns.aggregation import Aggregation, Feature

_EXACT, _SUMMED, _SPREAD = 1e-12, 1e-11, 1e-7


@dataclass(frozen=True)
class Answer:
    """A value, None for missing, and how far the same events may bring another order of summation from it."""

    value: float | None
    slack: float = 0.0

    def agrees(self, other: float | None) -> bool:
        if self.value is None or other is None:
            return self.value is None and other is None
        return isclose(self.value, other, rel_tol=_EXACT, abs_tol=self.slack)


MISSING = Answer(None)


def answer(feature: Feature, events: pl.DataFrame, time: str, end: datetime) -> Answer:
    """The value of a feature for the window that ends at ``end``.

    Args:
        events: one entity's rows, those alone that were known at the time in question.
        time: the column of the time at which an event happened.
    """
    own = [_part(part, events, time, end) for part in feature.parts]
    if len(own) == 1:
        return own[0]
    above, below = own
    if above.value is None or not below.value:
        return MISSING
    value = above.value / below.value
    return _finite(value, (above.slack + abs(value) * below.slack) / abs(below.value))


def _part(part: Aggregation, events: pl.DataFrame, time: str, end: datetime) -> Answer:
    seen = events.filter(pl.col(time) < end)
    if part.window is not None:
        seen = seen.filter(pl.col(time) >= end - part.window)
    if part.where is not None:
        seen = seen.filter(part.where)
    seen = seen.sort(time, "known_at", *part.columns)
    times: list[datetime] = seen[time].to_list()
    if part.value is None:
        return _of_times(part, times, end)
    if part.kind == "expression":
        made = seen.select(part.value.alias("made"))["made"][0] if seen.height else None
        return MISSING if made is None else _finite(float(made), abs(float(made)) * _SUMMED)
    values = seen.select(part.value.alias("made"))["made"].to_list()
    if part.kind == "attribute":
        ended = seen[part.until][-1] if part.until is not None and values else None
        return _finite(values[-1]) if values and (ended is None or ended > end) else MISSING
    return _of_values(part, [(when, value) for when, value in zip(times, values, strict=True) if value is not None])


def _of_times(part: Aggregation, times: Sequence[datetime], end: datetime) -> Answer:
    if part.kind == "count":
        return Answer(float(len(times)))
    return Answer((end - max(times)).total_seconds() / 86_400) if times else MISSING


def _of_values(part: Aggregation, dated: Sequence[tuple[datetime, float]]) -> Answer:
    values = [value for _, value in dated]
    if part.kind == "count_distinct":
        return Answer(float(len({"NaN" if value != value else value for value in values})))
    numbers = [float(value) for value in values]
    if not all(isfinite(number) for number in numbers):
        return MISSING if part.kind in ("total", "mean", "std") else _of_any(part.kind, dated)
    if part.kind == "total":
        return _finite(fsum(numbers), fsum(map(abs, numbers)) * _SUMMED)
    if not numbers:
        return MISSING
    if part.kind == "mean":
        return _finite(fsum(numbers) / len(numbers), fsum(map(abs, numbers)) / len(numbers) * _SUMMED)
    if part.kind == "std":
        largest = max(map(abs, numbers))
        return _finite(statistics.stdev(numbers), largest * _SPREAD) if len(numbers) > 1 else MISSING
    return _of_any(part.kind, dated)


def _of_any(kind: str, dated: Sequence[tuple[datetime, float]]) -> Answer:
    """One of the values; NaN is neither smallest nor largest."""
    times = [when for when, _ in dated]
    if kind in ("latest", "first"):
        chosen = max(times) if kind == "latest" else min(times)
        dated = [(when, value) for when, value in dated if when == chosen]
    values = [value for _, value in dated if value == value]
    if not values:
        return MISSING
    return _finite(min(values) if kind in ("minimum", "first") else max(values))


def _finite(value: float | None, slack: float = 0.0) -> Answer:
    return Answer(float(value), slack) if value is not None and isfinite(value) else MISSING
