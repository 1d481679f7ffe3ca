"""The as-known join: each row of a spine sees only feature rows that had happened and were known at its own time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import prod

import polars as pl

from mlp_assets.tables.expiry import is_usable

_CODE, _PLACE, _ROW_TIME = "__code", "__place", "__feature_event_time"
_AT_A_TIME, _LARGEST_CODE = 2, 1 << 62


@dataclass(frozen=True)
class FeatureTable:
    """A table of feature rows: keys, ``event_time``, ``known_at``, and the features."""

    rows: pl.LazyFrame
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None

    @property
    def columns(self) -> tuple[str, ...]:
        """What a join reads of it."""
        return (*self.keys, "event_time", "known_at", *self.features)


def best_as_known(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows that were ever the newest one known, sorted by key and by the time at which they became so.

    A row is visible from the later of its event time and known time. Going through a key's rows in order of
    visibility, a row counts when no row before it had a later (event time, known time); so a late row for an old
    moment hides nothing, and a recomputation replaces its row from its own known time on.
    """
    visible = pl.max_horizontal("event_time", "known_at")
    order = [*keys, "visible_at", "event_time", "known_at"]
    ordered = rows.with_columns(visible_at=visible).sort(order, maintain_order=True)
    newest = pl.col("event_time").cum_max().over(list(keys))
    return ordered.filter(pl.col("event_time") >= newest)


def join_as_known(spine: pl.LazyFrame, time: str, tables: Sequence[FeatureTable]) -> pl.LazyFrame:
    """Joins the newest known feature row, not older than its TTL, of each table to each row of the spine.

    Args:
        spine: rows with the keys of all tables and the column ``time``.
        time: when the row's prediction is asked for; rows with ``event_time`` and ``known_at`` at or before it count.
        tables: what to join; a spine row with a null key or no usable feature row keeps nulls.

    Returns:
        The spine's rows with the features of all tables, in order of time; rows of one time keep their order.
    """
    return join_frame_as_known(spine.collect(), time, tables).lazy()


def join_frame_as_known(
    spine: pl.DataFrame, time: str, tables: Sequence[FeatureTable], *, narrowed: bool = False
) -> pl.DataFrame:
    """As ``join_as_known``, on a frame at hand.

    Args:
        narrowed: reads only what these rows can see: for a small part of a large spine.
    """
    ordered = spine.sort(time, maintain_order=True)

    def found(table: FeatureTable) -> pl.DataFrame:
        rows = _visible(table, ordered, time) if narrowed else table.rows.select(table.columns)
        read = rows.collect(engine="streaming" if narrowed else "auto")
        return read.select(table.features)[_places(ordered, time, table, read)]

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return pl.concat([ordered, *pool.map(found, tables)], how="horizontal")


def _visible(table: FeatureTable, spine: pl.DataFrame, time: str) -> pl.LazyFrame:
    """The rows that a spine sorted by time can see, up to its last time and within the TTL of its first.

    Of a table that is large beside the spine only the rows of its keys are read; and of what was visible at its first
    time only the best row of each key, as no other will be seen again.
    """
    first, last = spine[time].min(), spine[time].max()
    if first is None:
        return table.rows.select(table.columns).clear()
    keys, event, known = list(table.keys), pl.col("event_time"), pl.col("known_at")
    own = table.rows.select(table.columns).filter(event <= last, known <= last)
    if table.ttl is not None:
        own = own.filter(event >= pl.lit(first) - table.ttl)
    if own.select(pl.len()).collect(engine="streaming").item() <= spine.height:
        return own
    own = own.join(spine.lazy().select(keys).unique(), on=keys, how="semi")
    before = own.filter(event <= first, known <= first)
    best = before.group_by(keys).agg(pl.all().max_by(pl.struct("event_time", "known_at")))
    return pl.concat([best.select(table.columns), own.filter((event > first) | (known > first))])


def _places(spine: pl.DataFrame, time: str, table: FeatureTable, rows: pl.DataFrame) -> pl.Series:
    """For each row of the spine, which of ``rows`` it sees; null for none.

    The features themselves take no part in the search: they are fetched once, by place.
    """
    asked, numbered = _coded(spine.select(*table.keys, time), rows.drop(table.features), table.keys)
    best = _best(numbered.with_row_index(_PLACE)).rename({"event_time": _ROW_TIME})
    found = asked.join_asof(
        best.select(_CODE, "visible_at", _ROW_TIME, _PLACE),
        left_on=time,
        right_on="visible_at",
        by=_CODE,
        strategy="backward",
        check_sortedness=False,
    )
    if table.ttl is None:
        return found[_PLACE]
    fresh = is_usable(pl.col(_ROW_TIME), pl.col(time), table.ttl)
    return found.select(pl.when(fresh).then(_PLACE)).to_series()


def _coded(spine: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with one integer for their keys: an as-of join by several keys, or by text, takes twice as long."""
    if len(keys) == 1 and rows.schema[keys[0]].is_integer():
        return spine.rename({keys[0]: _CODE}), rows.rename({keys[0]: _CODE})
    for key in keys:
        if not rows.schema[key].is_integer():
            numbers = rows.select(key).drop_nulls().unique().with_row_index(_CODE)
            spine, rows = _with_code(spine, numbers, [key]), _with_code(rows, numbers, [key])
            spine, rows = spine.rename({_CODE: key}), rows.rename({_CODE: key})
    ranges = {key: _range(rows[key]) for key in keys}
    small = all(abs(low) < _LARGEST_CODE for low, _ in ranges.values())
    if small and prod(span for _, span in ranges.values()) < _LARGEST_CODE:
        return _packed(spine, ranges), _packed(rows, ranges)
    codes = rows.select(keys).drop_nulls().unique().with_row_index(_CODE)
    return _with_code(spine, codes, keys), _with_code(rows, codes, keys)


def _range(column: pl.Series) -> tuple[int, int]:
    """The smallest value, and how many there may be."""
    low, high = column.min(), column.max()
    return (low, high - low + 1) if isinstance(low, int) and isinstance(high, int) else (0, 1)


def _packed(frame: pl.DataFrame, ranges: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """One integer of several whose values lie within the ranges; null for any other value."""
    code = pl.lit(0, dtype=pl.Int64)
    for key, (low, span) in ranges.items():
        value = pl.col(key).cast(pl.Int64, strict=False) - low
        code = code * span + pl.when(value.is_between(0, span - 1)).then(value)
    return frame.with_columns(code.alias(_CODE)).drop(ranges)


def _with_code(frame: pl.DataFrame, codes: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return frame.join(codes, on=list(keys), how="left", maintain_order="left").drop(keys)


def _best(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that were ever the newest one known, with ``visible_at``; sorted by it for each code at least.

    Where every row was known when it happened, a later row never has an earlier event time: all count.
    """
    on_time = rows.select((pl.col("known_at") == pl.col("event_time")).all()).item()
    if not on_time:
        return best_as_known(rows.lazy(), [_CODE]).collect()
    return rows.sort("event_time", maintain_order=True).with_columns(visible_at=pl.col("event_time"))
