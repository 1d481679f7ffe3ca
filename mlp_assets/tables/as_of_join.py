"""The as-of join: each row of a spine sees only the feature rows that were visible at its time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import prod

import polars as pl

from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.best_rows import best_rows
from mlp_assets.tables.expiry import is_usable
from mlp_assets.tables.standing_join import CODE, PLACE, ROW_TIME, seen_rows
from mlp_assets.tables.standing_rows import UNTIL, are_standing
from mlp_assets.tables.visibility import AS_KNOWN

_THREADS, _LARGEST_CODE = 2, 1 << 62


@dataclass(frozen=True)
class FeatureTable:
    """A table of feature rows: keys, ``event_time``, ``known_at``, and the features.

    Args:
        visible: when a row is visible, over ``event_time`` and ``known_at``, and not before either; null for never.
        every: the cadence, if the rows stand for several moments and so have ``stands_until``.
        time: the column to add with the moment of the row that was joined, or None.
    """

    rows: pl.LazyFrame
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None
    visible: pl.Expr = AS_KNOWN
    every: timedelta | None = None
    time: str | None = None

    @classmethod
    def of(cls, view: FeatureView, rows: pl.LazyFrame, visible: pl.Expr = AS_KNOWN) -> "FeatureTable":
        """The rows of a view's table."""
        every = duration(view.every) if are_standing(rows) else None
        return cls(rows, tuple(view.entity.keys), tuple(view.feature_names), view.ttl_length, visible, every)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a join reads."""
        stands = () if self.every is None else (UNTIL,)
        return (*self.keys, "event_time", "known_at", *stands, *self.features)


def join_as_visible(spine: pl.LazyFrame, time: str, tables: Sequence[FeatureTable]) -> pl.LazyFrame:
    """Joins to each row of the spine the newest visible feature row of each table, if it is within its TTL.

    Args:
        spine: the keys of all tables and the column ``time``.
        time: the column with the moment of the prediction. Feature rows that are visible at or before it count.
        tables: the feature tables to join.

    Returns:
        The spine's rows with the features of all tables, in order of time; rows of one time keep their order. Features
        are null for a null key, or without a usable feature row.
    """
    return join_frame_as_visible(spine.collect(), time, tables).lazy()


def join_frame_as_visible(
    spine: pl.DataFrame, time: str, tables: Sequence[FeatureTable], *, narrowed: bool = False
) -> pl.DataFrame:
    """Like ``join_as_visible``, for a frame in memory.

    Args:
        narrowed: read only the feature rows that the spine can see; faster for a small part of a large spine.
    """
    ordered = spine.sort(time, maintain_order=True)

    def features_of(table: FeatureTable) -> pl.DataFrame:
        rows = _visible(table, ordered, time) if narrowed else table.rows.select(table.columns)
        read = rows.collect(engine="streaming" if narrowed else "auto")
        seen = _seen(ordered, time, table, read)
        joined = read.select(table.features)[seen[PLACE]]
        return joined if table.time is None else joined.with_columns(seen[ROW_TIME].alias(table.time))

    with ThreadPoolExecutor(_THREADS) as pool:
        return pl.concat([ordered, *pool.map(features_of, tables)], how="horizontal")


def _visible(table: FeatureTable, spine: pl.DataFrame, time: str) -> pl.LazyFrame:
    """The table's rows that the spine can see: up to its last time, and within the TTL of its first.

    If the table is larger than the spine, keeps only the spine's keys. Of the rows visible at the spine's first time,
    keeps only the best of each key: the others will not be seen again. Of rows that stand for several moments, keeps
    all.

    Args:
        spine: sorted by time.
    """
    first, last = spine[time].min(), spine[time].max()
    if first is None:
        return table.rows.select(table.columns).clear()
    keys, event, known = list(table.keys), pl.col("event_time"), pl.col("known_at")
    own = table.rows.select(table.columns).filter(event <= last, known <= last)
    if table.every is None:
        own = own.filter(table.visible <= last)
    if table.ttl is not None:
        newest = event if table.every is None else pl.col(UNTIL)
        own = own.filter(newest >= pl.lit(first) - table.ttl)
    if own.select(pl.len()).collect(engine="streaming").item() <= spine.height:
        return own
    own = own.join(spine.lazy().select(keys).unique(), on=keys, how="semi")
    if table.every is not None:
        return own
    before = own.filter(table.visible <= first)
    best = before.group_by(keys).agg(pl.all().max_by(pl.struct("event_time", "known_at")))
    return pl.concat([best.select(table.columns), own.filter(table.visible > first)])


def _seen(spine: pl.DataFrame, time: str, table: FeatureTable, rows: pl.DataFrame) -> pl.DataFrame:
    """The index ``__place`` and the moment of the row that each row of the spine sees; null for none.

    The join carries indexes, not features: features are gathered once, afterwards.
    """
    requests, numbered = _coded(spine.select(*table.keys, time), rows.drop(table.features), table.keys)
    numbered = numbered.with_row_index(PLACE)
    if table.every is None:
        best = best_rows(numbered, CODE, table.visible).rename({"event_time": ROW_TIME})
        joined = requests.join_asof(
            best.select(CODE, "visible_at", ROW_TIME, PLACE),
            left_on=time,
            right_on="visible_at",
            by=CODE,
            strategy="backward",
            check_sortedness=False,
        )
    else:
        joined = seen_rows(requests, time, numbered, table.visible, table.every)
    if table.ttl is None:
        return joined.select(PLACE, ROW_TIME)
    fresh = is_usable(pl.col(ROW_TIME), pl.col(time), table.ttl)
    return joined.select(pl.when(fresh).then(pl.col(name)).alias(name) for name in (PLACE, ROW_TIME))


def _coded(spine: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with one integer in place of their keys.

    An as-of join by several keys, or by text, takes twice as long.
    """
    if len(keys) == 1 and rows.schema[keys[0]].is_integer():
        return spine.rename({keys[0]: CODE}), rows.rename({keys[0]: CODE})
    for key in keys:
        if not rows.schema[key].is_integer():
            numbers = rows.select(key).drop_nulls().unique().with_row_index(CODE)
            spine, rows = _with_code(spine, numbers, [key]), _with_code(rows, numbers, [key])
            spine, rows = spine.rename({CODE: key}), rows.rename({CODE: key})
    ranges = {key: _range(rows[key]) for key in keys}
    small = all(abs(low) < _LARGEST_CODE for low, _ in ranges.values())
    if small and prod(span for _, span in ranges.values()) < _LARGEST_CODE:
        return _packed(spine, ranges), _packed(rows, ranges)
    codes = rows.select(keys).drop_nulls().unique().with_row_index(CODE)
    return _with_code(spine, codes, keys), _with_code(rows, codes, keys)


def _range(column: pl.Series) -> tuple[int, int]:
    """The smallest value, and the number of integers up to the largest."""
    low, high = column.min(), column.max()
    return (low, high - low + 1) if isinstance(low, int) and isinstance(high, int) else (0, 1)


def _packed(frame: pl.DataFrame, ranges: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """Packs integers that lie within the ranges into one; null if a value lies outside."""
    code = pl.lit(0, dtype=pl.Int64)
    for key, (low, span) in ranges.items():
        value = pl.col(key).cast(pl.Int64, strict=False) - low
        code = code * span + pl.when(value.is_between(0, span - 1)).then(value)
    return frame.with_columns(code.alias(CODE)).drop(ranges)


def _with_code(frame: pl.DataFrame, codes: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return frame.join(codes, on=list(keys), how="left", maintain_order="left").drop(keys)
