"""Aggregations in two steps: partials of each entity and step of time, and their combination over a window.

A partial is made of its own events in one fixed order, and partials are combined in the order of time. So the value of
a window has the same bits whether one moment is computed or a whole year, and whatever rows stand beside it.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.tables.events import UTC_TIME

_MICROSECONDS_A_DAY = 86_400_000_000
ZERO_WITHOUT_EVENTS = ("total", "count", "count_distinct")


def partial(part: Aggregation, place: str, time: str) -> dict[str, pl.Expr]:
    """Columns, each beginning with ``place``, that an entity's events of one step are reduced to."""
    kept = pl.lit(True) if part.where is None else part.where
    value = part.value
    if value is None:
        times = pl.col(time).filter(kept)
        return {f"{place}n": times.len()} if part.kind == "count" else {f"{place}t": times.max()}
    values, there = value.filter(kept), value.filter(kept).drop_nulls()
    times = pl.col(time).filter(kept & value.is_not_null())
    match part.kind:
        case "total":
            return {f"{place}s": _sum(values)}
        case "count_distinct":
            return {f"{place}u": there.unique(maintain_order=True)}
        case "mean":
            return {f"{place}s": _sum(values.cast(pl.Float64)), f"{place}n": there.len()}
        case "std":
            numbers = there.cast(pl.Float64)
            mean = pl.when(there.len() > 0).then(_sum(numbers) / there.len())
            return {f"{place}m": mean, f"{place}q": _sum((numbers - mean).pow(2)), f"{place}n": there.len()}
        case "minimum":
            return {f"{place}v": values.min()}
        case "maximum":
            return {f"{place}v": values.max()}
        case "latest":
            return {f"{place}v": there.filter(times == times.last()).max(), f"{place}t": times.last()}
        case "first":
            return {f"{place}v": there.filter(times == times.first()).min(), f"{place}t": times.first()}
        case _:
            state = {f"{place}v": values.last(), f"{place}t": pl.col(time).filter(kept).last()}
            return state | ({f"{place}e": pl.col(part.until).filter(kept).last()} if part.until is not None else {})


def combined(part: Aggregation, place: str, end: datetime) -> pl.Expr:
    """The value of the window that ends at ``end``, from an entity's partials in the order of time."""
    value, newest, count = pl.col(f"{place}v"), pl.col(f"{place}t"), pl.col(f"{place}n")
    match part.kind:
        case "total":
            return _sum(pl.col(f"{place}s"))
        case "count":
            return count.sum()
        case "count_distinct":
            return pl.col(f"{place}u").explode().drop_nulls().n_unique()
        case "mean":
            return _sum(pl.col(f"{place}s")) / count.sum()
        case "std":
            return _spread(pl.col(f"{place}m"), pl.col(f"{place}q"), count)
        case "minimum":
            return value.min()
        case "maximum":
            return value.max()
        case "latest":
            return value.filter(newest == newest.max()).max()
        case "first":
            return value.filter(newest == newest.min()).min()
        case "attribute":
            return _state(part, place, end)
        case _:
            since = pl.lit(end).cast(UTC_TIME) - newest.max()
            return since.dt.total_microseconds() / _MICROSECONDS_A_DAY


def _sum(values: pl.Expr) -> pl.Expr:
    """The sum of a group's values, in their order. Polars sums floats otherwise in each of chunks, nulls and threads; a
    list of values alone is summed one by one."""
    return values.drop_nulls().implode().list.sum()


def _spread(mean: pl.Expr, square: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Sample standard deviation of pooled groups (Chan, Golub and LeVeque, 1983)."""
    total = count.sum()
    pooled = _sum(mean * count) / total
    within = _sum(square) + _sum(count * (mean - pooled).pow(2))
    return pl.when(total > 1).then((within / (total - 1)).sqrt())


def _state(part: Aggregation, place: str, end: datetime) -> pl.Expr:
    value, newest = pl.col(f"{place}v"), pl.col(f"{place}t")
    at_newest = newest == newest.max()
    if part.until is None:
        return value.filter(at_newest).last()
    until = pl.col(f"{place}e")
    holds = until.is_null() | (until > pl.lit(end).cast(UTC_TIME))
    return pl.when(holds).then(value).filter(at_newest).last()


def all_partials(parts: Mapping[str, Aggregation], time: str) -> dict[str, pl.Expr]:
    """The partial columns of every part that has any; an own expression reads the events themselves."""
    return {
        name: made
        for place, part in parts.items()
        if part.kind != "expression"
        for name, made in partial(part, place, time).items()
    }
