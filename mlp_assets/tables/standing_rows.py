"""Rows that stand for several moments, so that a table holds a row only where a value changed.

A table whose partitions hold several moments has the column ``stands_until``. Such a row holds the features of its
entity at each moment of the cadence from ``event_time`` to ``stands_until``, as known at that moment. It never goes
past the end of its partition, so each partition can be read alone. A version that became known later stands for one
moment. A table without the column has a row for each moment.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

UNTIL = "stands_until"
_MICROSECOND = timedelta(microseconds=1)
_IS_VERSION = pl.col("known_at") > pl.col("event_time")
_Times = tuple[datetime, datetime]


def are_standing(rows: pl.LazyFrame) -> bool:
    """Whether a table's rows may stand for several moments."""
    return UNTIL in rows.collect_schema()


def merge_alike(rows: pl.DataFrame, by: Sequence[str], features: Sequence[str], every: timedelta) -> pl.DataFrame:
    """Merges the rows of an entity and a partition that follow each other with the same features.

    Args:
        rows: ``by``, ``event_time``, ``known_at``, ``stands_until``, ``features`` and any other columns.
        by: the columns that tell entities apart.

    Returns:
        As few rows as possible, sorted by ``event_time``, ``by`` and ``known_at``.
    """
    base, versions = rows.filter(~_IS_VERSION), rows.filter(_IS_VERSION)
    base = base.sort(*by, "event_time")
    follows = pl.col("event_time") - pl.col(UNTIL).shift() == pl.lit(every)
    alike = [pl.col(name).eq_missing(pl.col(name).shift()) for name in (*by, *features)]
    same = pl.all_horizontal(follows, _day("event_time") == _day(UNTIL).shift(), *alike)
    begins = np.flatnonzero(~base.select(same.fill_null(value=False)).to_series().to_numpy())
    last = np.append(begins[1:], base.height)[: len(begins)] - 1
    order = np.argsort(base["event_time"].to_physical().to_numpy()[begins], kind="stable")
    merged = base[begins[order]].with_columns(base[UNTIL][last[order]])
    return pl.concat([merged, versions]).sort("event_time", *by, "known_at") if versions.height else merged


def within_spans(rows: pl.LazyFrame, spans: Iterable[_Times]) -> pl.LazyFrame:
    """The rows of the moments in the spans.

    Args:
        spans: (first, last) moments, without overlaps.
    """
    if are_standing(rows):
        return pl.concat([rows.clear(), *(_within(rows, *span) for span in spans)])
    in_spans = [pl.col("event_time").is_between(pl.lit(first), pl.lit(last)) for first, last in spans]
    return rows.filter(pl.any_horizontal(pl.lit(value=False), *in_spans))


def up_to(rows: pl.LazyFrame, time: datetime, every: timedelta) -> pl.LazyFrame:
    """The rows of the moments up to ``time`` that were known by then."""
    known = rows.filter(pl.col("event_time") <= time, pl.col("known_at") <= time)
    if not are_standing(rows):
        return known
    stands = pl.min_horizontal(UNTIL, pl.lit(time)) - pl.col("event_time")
    step = every // _MICROSECOND
    whole = pl.duration(microseconds=stands.dt.total_microseconds() // step * step)
    return known.with_columns((pl.col("event_time") + whole).alias(UNTIL))


def as_newest(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows, of standing ones each as the row of the last moment that it stands for."""
    if not are_standing(rows):
        return rows
    known = pl.when(_IS_VERSION).then("known_at").otherwise(UNTIL)
    return rows.with_columns(known_at=known, event_time=UNTIL).drop(UNTIL)


def written_out(rows: pl.LazyFrame, every: timedelta) -> pl.LazyFrame:
    """A row for each moment."""
    if not are_standing(rows):
        return rows
    each = rows.with_columns(__moment=pl.datetime_ranges("event_time", UNTIL, every)).drop(UNTIL).explode("__moment")
    known = pl.when(_IS_VERSION).then("known_at").otherwise("__moment")
    return each.with_columns(known_at=known, event_time="__moment").drop("__moment")


def moments_held(rows: pl.LazyFrame, every: timedelta) -> pl.Series:
    """The moments for which there are rows, sorted."""
    times = ["event_time", "known_at", *([UNTIL] if are_standing(rows) else [])]
    distinct = rows.select(times).unique().with_columns(known_at="event_time").unique()
    return written_out(distinct, every).select(pl.col("event_time").unique().sort()).collect().to_series()


def _within(rows: pl.LazyFrame, first: datetime, last: datetime) -> pl.LazyFrame:
    overlapping = rows.filter(pl.col("event_time") <= last, pl.col(UNTIL) >= first)
    begin = pl.max_horizontal("event_time", pl.lit(first))
    return overlapping.with_columns(
        begin.alias("event_time"),
        pl.when(_IS_VERSION).then("known_at").otherwise(begin).alias("known_at"),
        pl.min_horizontal(UNTIL, pl.lit(last)).alias(UNTIL),
    )


def _day(column: str) -> pl.Expr:
    """The day whose partition holds a moment."""
    return (pl.col(column) - _MICROSECOND).dt.truncate("1d")
