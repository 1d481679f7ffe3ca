"""Computes a feature value a second way: plain Python over the events of one entity, for the leak check.

It shares only the nouns with the modules that compute features (``windows``, ``time_steps``, ``partials``,
``as_of_join``), so that a fault there shows as a difference here.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import fsum, isclose, isfinite
from typing import Any, Literal, assert_never

import polars as pl

from mlp_assets.nouns.aggregation import Aggregation, Feature

_EXACT, _SUMMED, _SPREAD = 1e-12, 1e-11, 1e-7
_UNDERFLOW = 1e-150  # the square of a smaller difference is 0
_Selecting = Literal["minimum", "maximum", "latest", "first"]


@dataclass(frozen=True)
class Recomputed:
    """The value (None if missing) and the tolerance for a different summation order."""

    value: float | None
    slack: float = 0.0

    def agrees(self, other: float | None) -> bool:
        if self.value is None or other is None:
            return self.value is None and other is None
        return isclose(self.value, other, rel_tol=_EXACT, abs_tol=self.slack)


MISSING = Recomputed(None)


def recompute(
    feature: Feature, events: pl.DataFrame, time: str, end: datetime, *, empty: Literal["zero", "missing"] = "zero"
) -> Recomputed:
    """The value of a feature for the window that ends at ``end``.

    Args:
        events: the rows of one entity that were known at the time in question.
        time: the column of the time at which an event happened.
        empty: what a sum or count of a window without events is.
    """
    parts = [_part(part, events, time, end, empty) for part in feature.parts]
    if len(parts) == 1:
        return parts[0]
    above, below = parts
    if above.value is None or not below.value:
        return MISSING
    value = above.value / below.value
    return _finite(value, (above.slack + abs(value) * below.slack) / abs(below.value))


def within(time: str, end: datetime, length: timedelta | None) -> pl.Expr:
    """Whether the time is before ``end``, by no more than the length of a window that has one."""
    before = pl.col(time) < moment_of(end)
    return before if length is None else before & (pl.col(time) >= moment_of(end - length))


@lru_cache(4096)
def moment_of(time: datetime) -> pl.Expr:
    """The time as an expression. Many rows ask for the same ones, and Polars takes long to make one of a datetime."""
    return pl.lit(time)


def _part(part: Aggregation, events: pl.DataFrame, time: str, end: datetime, empty: str) -> Recomputed:
    rows = events.filter(within(time, end, part.window))
    if rows.is_empty() and empty == "missing":
        return MISSING
    if part.where is not None:
        rows = rows.filter(part.where)
    rows = rows.sort(time, "__declared_at", "known_at", *part.columns)
    times: list[datetime] = rows[time].to_list()
    values: list[Any] = rows.select(value=part.value)["value"].to_list() if part.value is not None and times else []
    match part.kind:
        case "count":
            return Recomputed(float(len(times)))
        case "days_since_last":
            return Recomputed((end - max(times)).total_seconds() / 86_400) if times else MISSING
        case "expression":
            value = values[0] if values else None
            return MISSING if value is None else _finite(float(value), abs(float(value)) * _SUMMED)
        case "attribute":
            until = rows[part.until][-1] if part.until is not None and values else None
            return _finite(values[-1]) if values and (until is None or until > end) else MISSING
        case "count_distinct":
            return Recomputed(float(len({"NaN" if value != value else value for value in values if value is not None})))
        case "total" | "mean" | "std":
            return _of_sums(part.kind, [float(value) for value in values if value is not None])
        case "minimum" | "maximum" | "latest" | "first":
            dated = [(when, value) for when, value in zip(times, values, strict=True) if value is not None]
            return _select(part.kind, dated)
        case _:
            assert_never(part.kind)


def _of_sums(kind: Literal["total", "mean", "std"], numbers: Sequence[float]) -> Recomputed:
    if not all(isfinite(number) for number in numbers):
        return MISSING
    match kind:
        case "total":
            return _finite(fsum(numbers), fsum(map(abs, numbers)) * _SUMMED)
        case "mean":
            if not numbers:
                return MISSING
            return _finite(fsum(numbers) / len(numbers), fsum(map(abs, numbers)) / len(numbers) * _SUMMED)
        case "std":
            if len(numbers) < 2:
                return MISSING
            return _finite(statistics.stdev(numbers), max(map(abs, numbers)) * _SPREAD + _UNDERFLOW)
        case _:
            assert_never(kind)


def _select(kind: _Selecting, dated: Sequence[tuple[datetime, float]]) -> Recomputed:
    """The aggregations that return one of the values; NaN is neither smallest nor largest."""
    times = [when for when, _ in dated]
    match kind:
        case "minimum":
            choose, moment = min, None
        case "maximum":
            choose, moment = max, None
        case "latest":
            choose, moment = max, max(times, default=None)
        case "first":
            choose, moment = min, min(times, default=None)
        case _:
            assert_never(kind)
    values = [value for when, value in dated if value == value and moment in (None, when)]
    return _finite(choose(values)) if values else MISSING


def _finite(value: float | None, slack: float = 0.0) -> Recomputed:
    return Recomputed(float(value), slack) if value is not None and isfinite(value) else MISSING
