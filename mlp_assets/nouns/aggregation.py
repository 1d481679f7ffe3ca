"""What a feature is: an aggregation of a source's events over a trailing window, or a ratio of two."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal, TypedDict, Unpack, assert_never

import polars as pl

from mlp_assets.nouns.checks import texts

AggregationKind = Literal[
    "total", "count", "count_distinct", "mean", "minimum", "maximum", "std", "latest", "first", "days_since_last",
    "expression", "attribute",
]  # fmt: skip
Column = str | pl.Expr


@dataclass(frozen=True)
class KindTraits:
    """The properties of a kind of aggregation.

    Args:
        needs_column: it aggregates values, not only the times of events.
        needs_window: it goes back a declared time, not to the beginning.
        numbers_only: its values must be numbers.
        zero_without_events: it is 0, not missing, for a window without events.
        from_partials: it is combined from partials of time steps; otherwise it reads the events of the whole window.
    """

    needs_column: bool = True
    needs_window: bool = True
    numbers_only: bool = True
    zero_without_events: bool = False
    from_partials: bool = True


def traits_of(kind: AggregationKind) -> KindTraits:
    match kind:
        case "total":
            return KindTraits(zero_without_events=True)
        case "count":
            return KindTraits(needs_column=False, zero_without_events=True)
        case "count_distinct":
            return KindTraits(numbers_only=False, zero_without_events=True)
        case "mean" | "std" | "minimum" | "maximum" | "latest" | "first":
            return KindTraits()
        case "days_since_last":
            return KindTraits(needs_column=False)
        case "expression":
            return KindTraits(numbers_only=False, from_partials=False)
        case "attribute":
            return KindTraits(needs_window=False)
        case _:
            assert_never(kind)


class Told(TypedDict, total=False):
    """What may be said of any feature beside how it is computed.

    ``where`` keeps only the events that it holds for; ``description`` is one sentence; ``owner`` and ``tags`` are the
    view's unless they are given.
    """

    where: pl.Expr | None
    description: str
    owner: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Aggregation:
    """One aggregation of ``column`` (a name, or a Polars expression of each row) over the events of the last ``over``.

    Without ``over`` it goes back to the beginning: an attribute. ``until`` is the column with the end of its validity.
    """

    kind: AggregationKind
    column: str | pl.Expr | None
    over: str | None
    until: str | None = None
    where: pl.Expr | None = None
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def traits(self) -> KindTraits:
        return traits_of(self.kind)

    @property
    def window(self) -> timedelta | None:
        """The length of its window, None for the whole history."""
        return texts.duration(self.over) if self.over is not None else None

    @property
    def value(self) -> pl.Expr | None:
        """What is aggregated, as an expression over the source's rows."""
        return pl.col(self.column) if isinstance(self.column, str) else self.column

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The source columns that it reads."""
        expressions = [found for found in (self.value, self.where) if found is not None]
        named = [name for found in expressions for name in found.meta.root_names()]
        return tuple(dict.fromkeys([*named, *([self.until] if self.until is not None else [])]))

    @property
    def parts(self) -> tuple["Aggregation", ...]:
        return (self,)


@dataclass(frozen=True, eq=False)
class Ratio:
    """The quotient of two aggregations; missing where the denominator is 0 or missing."""

    numerator: Aggregation
    denominator: Aggregation
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def window(self) -> timedelta | None:
        windows = [part.window for part in self.parts]
        return None if None in windows else max(window for window in windows if window is not None)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.columns))

    @property
    def parts(self) -> tuple[Aggregation, ...]:
        return (self.numerator, self.denominator)


Feature = Aggregation | Ratio


def total(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Sum of a column; 0 where the window holds no event."""
    return Aggregation("total", column, over, **told)


def count(over: str, **told: Unpack[Told]) -> Aggregation:
    """Number of events."""
    return Aggregation("count", None, over, **told)


def count_distinct(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Number of distinct values of a column; nulls do not count."""
    return Aggregation("count_distinct", column, over, **told)


def mean(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Mean of a column; null where the window holds no event."""
    return Aggregation("mean", column, over, **told)


def minimum(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Smallest value of a column; null where the window holds no event."""
    return Aggregation("minimum", column, over, **told)


def maximum(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Largest value of a column; null where the window holds no event."""
    return Aggregation("maximum", column, over, **told)


def std(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Sample standard deviation of a column (divided by n - 1); null where the window holds fewer than two values."""
    return Aggregation("std", column, over, **told)


def latest(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Value of a column at the newest event; among events of one time, the largest value."""
    return Aggregation("latest", column, over, **told)


def first(column: Column, over: str, **told: Unpack[Told]) -> Aggregation:
    """Value of a column at the oldest event of the window; among events of one time, the smallest value."""
    return Aggregation("first", column, over, **told)


def days_since_last(over: str, **told: Unpack[Told]) -> Aggregation:
    """Days, with fractions, from the newest event to the end of the window; null where it holds no event."""
    return Aggregation("days_since_last", None, over, **told)


def expression(aggregate: pl.Expr, over: str, **told: Unpack[Told]) -> Aggregation:
    """Your own: a Polars expression that makes one number of the window's events, which are sorted by time.

    The other aggregations are combined from sums of each step and are many times faster.
    """
    return Aggregation("expression", aggregate, over, **told)


def attribute(column: Column, *, until: str | None = None, **told: Unpack[Told]) -> Aggregation:
    """A property that holds from its row's event time on (a slowly changing dimension): null where the newest row says
    null, and where the column ``until``, the end of its validity, has passed."""
    return Aggregation("attribute", column, None, until, **told)


def ratio(
    numerator: Aggregation,
    denominator: Aggregation,
    *,
    description: str = "",
    owner: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Ratio:
    """The quotient of two aggregations of the same source; null where the denominator is 0 or null."""
    return Ratio(numerator, denominator, description, owner, tags or {})
