"""Aggregations of a source's events over a trailing window, and ratios of two aggregations: the features of a view."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Literal, TypedDict, Unpack, assert_never

import polars as pl

from mlp_assets.exact_numbers import Schema, exact, exact_value
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
        ties_by_known: of several events of one time, the one that became known last counts.
        is_age: it grows with time while the window's events stay the same.
        of_one_event: it is the value of one event, which may be an id.
        from_partials: it is combined from partials of time steps; otherwise it reads the events of the whole window.
    """

    needs_column: bool = True
    needs_window: bool = True
    numbers_only: bool = True
    zero_without_events: bool = False
    ties_by_known: bool = False
    is_age: bool = False
    of_one_event: bool = False
    from_partials: bool = True


def traits_of(kind: AggregationKind) -> KindTraits:
    match kind:
        case "total":
            return KindTraits(zero_without_events=True)
        case "count":
            return KindTraits(needs_column=False, zero_without_events=True)
        case "count_distinct":
            return KindTraits(numbers_only=False, zero_without_events=True)
        case "mean" | "std":
            return KindTraits()
        case "minimum" | "maximum" | "latest" | "first":
            return KindTraits(of_one_event=True)
        case "days_since_last":
            return KindTraits(needs_column=False, is_age=True)
        case "expression":
            return KindTraits(numbers_only=False, from_partials=False)
        case "attribute":
            return KindTraits(needs_window=False, ties_by_known=True, of_one_event=True)
        case _:
            assert_never(kind)


class FeatureOptions(TypedDict, total=False):
    """Options that every aggregation takes.

    ``where`` keeps only the events for which it is true. ``description`` is one sentence. ``owner`` and ``tags``
    default to those of the view.
    """

    where: pl.Expr | None
    description: str
    owner: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Aggregation:
    """An aggregation of ``column``, a name or a Polars expression per row, over the events of the last ``over``.

    An attribute has no ``over`` and goes back to the first event. ``until`` names the column with the end of its
    validity.
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
        """Length of the window; None means the whole history."""
        return texts.duration(self.over) if self.over is not None else None

    @property
    def value(self) -> pl.Expr | None:
        """The aggregated value of each source row; None for kinds that only read event times."""
        return pl.col(self.column) if isinstance(self.column, str) else self.column

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Source columns that the aggregation reads."""
        expressions = [expression for expression in (self.value, self.where) if expression is not None]
        names = [name for expression in expressions for name in expression.meta.root_names()]
        return tuple(dict.fromkeys([*names, *([self.until] if self.until is not None else [])]))

    @property
    def parts(self) -> tuple["Aggregation", ...]:
        return (self,)

    def exact(self, schema: Schema) -> "Aggregation":
        """The same aggregation of values that neither wrap around nor lose digits, for columns of these types."""
        value = exact_value(self.value, schema) if self.value is not None else None
        return replace(self, column=value, where=exact(self.where, schema) if self.where is not None else None)


@dataclass(frozen=True, eq=False)
class Ratio:
    """The quotient of two aggregations. Missing where the denominator is 0 or missing."""

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

    def exact(self, schema: Schema) -> "Ratio":
        """The ratio of the two aggregations as ``Aggregation.exact`` returns them."""
        return replace(self, numerator=self.numerator.exact(schema), denominator=self.denominator.exact(schema))


Feature = Aggregation | Ratio


def total(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Sum of a column; 0 for a window without events."""
    return Aggregation("total", column, over, **options)


def count(over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Number of events."""
    return Aggregation("count", None, over, **options)


def count_distinct(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Number of distinct values of a column; nulls do not count."""
    return Aggregation("count_distinct", column, over, **options)


def mean(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Mean of a column; null for a window without events."""
    return Aggregation("mean", column, over, **options)


def minimum(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Smallest value of a column; null for a window without events."""
    return Aggregation("minimum", column, over, **options)


def maximum(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Largest value of a column; null for a window without events."""
    return Aggregation("maximum", column, over, **options)


def std(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Sample standard deviation of a column (divided by n - 1); null for fewer than two values."""
    return Aggregation("std", column, over, **options)


def latest(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Value of a column at the newest event. Of several events at that time, the largest value."""
    return Aggregation("latest", column, over, **options)


def first(column: Column, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Value of a column at the oldest event of the window. Of several events at that time, the smallest value."""
    return Aggregation("first", column, over, **options)


def days_since_last(over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """Days, with fractions, from the newest event to the end of the window; null for a window without events."""
    return Aggregation("days_since_last", None, over, **options)


def expression(aggregate: pl.Expr, over: str, **options: Unpack[FeatureOptions]) -> Aggregation:
    """A Polars expression that reduces the window's events, sorted by time, to one number.

    It reads the whole window wherever that changes. The other aggregations combine partial results and are many
    times faster.
    """
    return Aggregation("expression", aggregate, over, **options)


def attribute(column: Column, *, until: str | None = None, **options: Unpack[FeatureOptions]) -> Aggregation:
    """A property that holds from its row's event time on: a slowly changing dimension.

    It is null where the newest row holds null, and once the time in the column ``until`` has passed.
    """
    return Aggregation("attribute", column, None, until, **options)


def ratio(
    numerator: Aggregation,
    denominator: Aggregation,
    *,
    description: str = "",
    owner: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Ratio:
    """The quotient of two aggregations of the same source. Null where the denominator is 0 or null."""
    return Ratio(numerator, denominator, description, owner, tags or {})
