"""The as-known join: each row of a spine sees only feature rows that had happened and were known at its own time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl


@dataclass(frozen=True)
class FeatureTable:
    """A table of feature rows: keys, ``event_time``, ``known_at``, and the features."""

    rows: pl.LazyFrame
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None


def best_as_known(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows that were ever the newest one known, sorted by key and by the time at which they became so.

    A row is visible from the later of its event time and known time. Going through a key's rows in order of
    visibility, a row counts when no row before it had a later (event time, known time); so a late row for an old
    moment hides nothing, and a recomputation replaces its row from its own known time on.
    """
    visible = pl.max_horizontal("event_time", "known_at")
    ordered = rows.with_columns(visible_at=visible).sort([*keys, "visible_at", "event_time", "known_at"])
    newest = pl.col("event_time").cum_max().over(list(keys))
    return ordered.filter(pl.col("event_time") >= newest)


def join_as_known(spine: pl.LazyFrame, time: str, tables: Sequence[FeatureTable]) -> pl.LazyFrame:
    """Joins the newest known feature row, not older than its TTL, of each table to each row of the spine.

    Args:
        spine: rows with the keys of all tables and the column ``time``.
        time: when the row's prediction is asked for; rows with ``event_time`` and ``known_at`` at or before it count.
        tables: what to join; a spine row with no usable feature row keeps nulls.

    Returns:
        The spine's rows with the features of all tables; the order of rows is not kept.
    """
    joined = spine
    for table in tables:
        joined = _join_one(joined, time, table)
    return joined


def _join_one(spine: pl.LazyFrame, time: str, table: FeatureTable) -> pl.LazyFrame:
    keys = list(table.keys)
    best = best_as_known(table.rows, keys).select(*keys, "visible_at", "event_time", *table.features)
    row_time = "__feature_event_time"
    joined = spine.sort([*keys, time]).join_asof(
        best.rename({"event_time": row_time}),
        left_on=time,
        right_on="visible_at",
        by=keys,
        strategy="backward",
        check_sortedness=False,
    )
    if table.ttl is not None:
        usable = pl.col(time) - pl.col(row_time) <= table.ttl
        joined = joined.with_columns(pl.when(usable).then(pl.col(name)).alias(name) for name in table.features)
    return joined.drop(row_time, "visible_at", strict=False)
