"""Aggregations in two steps: partials per entity and time step, and their combination over a window.

A partial aggregates its own events in one fixed order, and partials are combined in order of time. So the value of a
window has the same bits whether one moment is computed or a whole year, and whatever rows are computed with it.
"""

from collections.abc import Mapping
from typing import assert_never

import polars as pl

from mlp_assets.nouns.aggregation import Aggregation

_MICROSECONDS_A_DAY = 86_400_000_000


def partial(part: Aggregation, place: str, time: str) -> dict[str, pl.Expr]:
    """The columns to which an entity's events of one time step are reduced; empty if the part has no partials.

    Args:
        place: the prefix of the columns.
        time: the column with the time of the event.
    """
    kept = pl.lit(True) if part.where is None else part.where
    value = pl.col(time) if part.value is None else part.value
    values, present = value.filter(kept), value.filter(kept).drop_nulls()
    times = pl.col(time).filter(kept & value.is_not_null())
    match part.kind:
        case "total":
            return {f"{place}s": _sum(values)}
        case "count":
            return {f"{place}n": pl.col(time).filter(kept).len()}
        case "count_distinct":
            return {f"{place}u": present.unique(maintain_order=True)}
        case "mean":
            return {f"{place}s": _sum(values.cast(pl.Float64)), f"{place}n": present.len()}
        case "std":
            numbers = present.cast(pl.Float64)
            mean = pl.when(present.len() > 0).then(_sum(numbers) / present.len())
            return {f"{place}m": mean, f"{place}q": _sum((numbers - mean).pow(2)), f"{place}n": present.len()}
        case "minimum":
            return {f"{place}v": values.min()}
        case "maximum":
            return {f"{place}v": values.max()}
        case "latest":
            return {f"{place}v": present.filter(times == times.last()).max(), f"{place}t": times.last()}
        case "first":
            return {f"{place}v": present.filter(times == times.first()).min(), f"{place}t": times.first()}
        case "days_since_last":
            return {f"{place}t": pl.col(time).filter(kept).max()}
        case "attribute":
            state = {f"{place}v": values.last(), f"{place}t": pl.col(time).filter(kept).last()}
            return state | ({f"{place}e": pl.col(part.until).filter(kept).last()} if part.until is not None else {})
        case "expression":
            return {}
        case _:
            assert_never(part.kind)


def combine(part: Aggregation, place: str, reduced: str) -> dict[str, pl.Expr]:
    """The content of a window, from an entity's partials in order of time; ``value_at`` makes the value out of it.

    The content depends on the window's events alone, not on the moment at which the window ends.

    Args:
        place: the name of the content.
        reduced: the prefix of the columns of the partials.

    Raises:
        ValueError: the part has no partials.
    """
    value, newest, count = pl.col(f"{reduced}v"), pl.col(f"{reduced}t"), pl.col(f"{reduced}n")
    match part.kind:
        case "total":
            return {place: _sum(pl.col(f"{reduced}s"))}
        case "count":
            return {place: count.sum()}
        case "count_distinct":
            return {place: pl.col(f"{reduced}u").explode().drop_nulls().n_unique()}
        case "mean":
            return {place: _sum(pl.col(f"{reduced}s")) / count.sum()}
        case "std":
            return {place: _pooled_std(pl.col(f"{reduced}m"), pl.col(f"{reduced}q"), count)}
        case "minimum":
            return {place: value.min()}
        case "maximum":
            return {place: value.max()}
        case "latest":
            return {place: value.filter(newest == newest.max()).max()}
        case "first":
            return {place: value.filter(newest == newest.min()).min()}
        case "days_since_last":
            return {place: newest.max()}
        case "attribute":
            state = {place: value} if part.until is None else {place: value, f"{place}e": pl.col(f"{reduced}e")}
            return {name: column.filter(newest == newest.max()).last() for name, column in state.items()}
        case "expression":
            raise ValueError("An own expression reads the events of its window; it has no partials to combine.")
        case _:
            assert_never(part.kind)


def value_at(part: Aggregation, place: str, end: pl.Expr) -> pl.Expr:
    """The value of a window with the content ``place`` that ends at ``end``."""
    content = pl.col(place)
    if part.traits.is_age:
        # A product, because Polars divides a single row and multiplies several by the reciprocal.
        return (end - content).dt.total_microseconds().cast(pl.Float64) * (1 / _MICROSECONDS_A_DAY)
    if part.until is None:
        return content
    until = pl.col(f"{place}e")
    return pl.when(until.is_null() | (until > end)).then(content)


def _sum(values: pl.Expr) -> pl.Expr:
    """The sum of a group's values in their order.

    Polars' float sum depends on chunking, nulls and threads; summing a list is sequential and reproducible.
    """
    return values.drop_nulls().implode().list.sum()


def _pooled_std(mean: pl.Expr, squares: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Sample standard deviation of pooled groups (Chan, Golub and LeVeque, 1983), null for fewer than two values.

    Args:
        squares: each group's sum of squared deviations from its own mean.
    """
    total = count.sum()
    pooled = _sum(mean * count) / total
    within = _sum(squares) + _sum(count * (mean - pooled).pow(2))
    return pl.when(total > 1).then((within / (total - 1)).sqrt())


def shared_partials(parts: Mapping[str, Aggregation]) -> dict[str, str]:
    """The place of the partials that each part combines: parts that differ in their windows alone share them."""
    shared: dict[str, str] = {}
    for place, part in parts.items():
        alike = (other for other in dict.fromkeys(shared.values()) if _reduce_alike(parts[other], part))
        shared[place] = next(alike, place)
    return shared


def _reduce_alike(one: Aggregation, other: Aggregation) -> bool:
    if (one.kind, one.until, one.columns) != (other.kind, other.until, other.columns):
        return False
    pairs = ((one.value, other.value), (one.where, other.where))
    return all(a is b or (a is not None and b is not None and a.meta.eq(b)) for a, b in pairs)


def all_partials(parts: Mapping[str, Aggregation], time: str) -> dict[str, pl.Expr]:
    """The partial columns of all parts; an own expression has none."""
    return {name: column for place, part in parts.items() for name, column in partial(part, place, time).items()}
