"""What a feature is: an aggregation of a source's events over a trailing window."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

from mlp_assets.spec import words

Kind = Literal["total", "count", "count_distinct", "mean", "minimum", "maximum", "latest", "days_since_last"]

WITHOUT_COLUMN = ("count", "days_since_last")


@dataclass(frozen=True, eq=False)
class Aggregation:
    """One aggregation of ``column`` over the events of the last ``over``, optionally only of those ``where`` holds."""

    kind: Kind
    column: str | None
    over: str
    where: pl.Expr | None = None
    description: str = ""

    @property
    def window(self) -> timedelta:
        return words.duration(self.over)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that it reads."""
        filtered = self.where.meta.root_names() if self.where is not None else []
        return tuple(dict.fromkeys([*([self.column] if self.column is not None else []), *filtered]))


def total(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Sum of a column; 0 where the window holds no event."""
    return Aggregation("total", column, over, where, description)


def count(over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Number of events."""
    return Aggregation("count", None, over, where, description)


def count_distinct(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Number of distinct values of a column; nulls do not count."""
    return Aggregation("count_distinct", column, over, where, description)


def mean(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Mean of a column; null where the window holds no event."""
    return Aggregation("mean", column, over, where, description)


def minimum(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Smallest value of a column; null where the window holds no event."""
    return Aggregation("minimum", column, over, where, description)


def maximum(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Largest value of a column; null where the window holds no event."""
    return Aggregation("maximum", column, over, where, description)


def latest(column: str, over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Value of a column at the newest event; among events of one time, the largest value."""
    return Aggregation("latest", column, over, where, description)


def days_since_last(over: str, *, where: pl.Expr | None = None, description: str = "") -> Aggregation:
    """Days, with fractions, from the newest event to the end of the window; null where it holds no event."""
    return Aggregation("days_since_last", None, over, where, description)
