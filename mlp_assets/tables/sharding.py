"""Cuts a spine into shards: contiguous ranges in order of time and keys, each with a bounded number of bytes.

A shard reads only the partitions that its times need, and a key with a third of all rows is cut in time like any other.
The features of a row do not depend on where the cuts are, so samples are enough to place them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlp_assets.tables.as_of_join import FeatureTable

Bound = tuple[Any, ...]
_SAMPLES, _KEYS_HELD = 200_000, 2_000_000
_WEIGHT = "__weight"


@dataclass(frozen=True)
class Shard:
    """The rows from ``first`` (included) to ``end`` (excluded), in the order of ``columns``, nulls first.

    A bound of None is open.
    """

    columns: tuple[str, ...] = ()
    first: Bound | None = None
    end: Bound | None = None

    @property
    def whole(self) -> bool:
        """Whether the shard is the whole spine."""
        return not self.columns

    def filter(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of the shard."""
        time = self.columns[0] if self.columns else ""
        if self.first is not None:
            # File statistics are per column, so only a condition on the time alone lets Polars skip files.
            rows = rows.filter(pl.col(time) >= self.first[0], ~_before(self.columns, self.first))
        if self.end is not None:
            rows = rows.filter((pl.col(time) <= self.end[0]) | pl.col(time).is_null(), _before(self.columns, self.end))
        return rows


WHOLE = Shard()


def _before(columns: Sequence[str], bound: Bound) -> pl.Expr:
    this, value = pl.col(columns[0]), bound[0]
    smaller = pl.lit(value=False) if value is None else this.is_null() | (this < value)
    if len(columns) == 1:
        return smaller
    return smaller | (this.eq_missing(pl.lit(value)) & _before(columns[1:], bound[1:]))


def shards_of(
    spine: pl.LazyFrame, time: str, keys: Sequence[str], tables: Sequence[FeatureTable], most_bytes: int
) -> list[Shard]:
    """Shards of at most about ``most_bytes``, in order, that cover the spine; one shard for a small input.

    Rows of one time and key stay together, however many there are.

    Args:
        spine: the keys and ``time``, which is never null.
        most_bytes: the bytes that a shard joins: its rows of the spine with all features, and the rows of the largest
            feature table that become visible in its time. Only the largest counts, as tables are joined one by one.
    """
    features = sum(schema_row_bytes(table.rows.select(table.features)) for table in tables)
    own = (schema_row_bytes(spine) + features) * _count(spine)
    costs = [_count(table.rows) * schema_row_bytes(table.rows.select(table.columns)) for table in tables]
    total = own + max(costs, default=0)
    if total <= most_bytes:
        return [WHOLE]
    columns = (time, *keys)
    weighted = _sample(spine.select(columns), own)
    if costs:
        largest = tables[costs.index(max(costs))]
        weighted = pl.concat([weighted, _visible_sample(weighted, spine, time, largest, max(costs))], how="diagonal")
    return _cut(weighted, columns, -(-int(weighted[_WEIGHT].sum()) // most_bytes))


def _visible_sample(
    sampled: pl.DataFrame, spine: pl.LazyFrame, time: str, table: FeatureTable, cost: int
) -> pl.DataFrame:
    """A sample of the times at which the table's rows become visible, within the times of the spine.

    If the spine is small enough to hold its keys, only their rows are sampled.

    Args:
        sampled: a sample of the spine.
        cost: the bytes of the whole table.
    """
    rows, keys = table.rows, list(table.keys)
    before = _count(rows)
    if _count(spine) <= min(_KEYS_HELD, before):
        rows = rows.join(spine.select(keys).unique(), on=keys, how="semi")
        cost = cost * _count(rows) // max(1, before)
    visible = _sample(rows.select(table.visible.alias(time)), cost)
    return visible.filter(pl.col(time) > sampled[time].min(), pl.col(time) <= sampled[time].max())


def _count(rows: pl.LazyFrame) -> int:
    return rows.select(pl.len()).collect(engine="streaming").item()


def _cut(weighted: pl.DataFrame, columns: tuple[str, ...], count: int) -> list[Shard]:
    ordered = weighted.sort(columns)
    reached = (ordered[_WEIGHT].cum_sum() * count / ordered[_WEIGHT].sum()).floor().clip(upper_bound=count - 1)
    cuts = ordered.filter(reached > reached.shift(1, fill_value=0)).select(columns).unique(maintain_order=True)
    bounds = [row for row in cuts.rows() if row[0] is not None]
    return [Shard(columns, first, end) for first, end in zip([None, *bounds], [*bounds, None], strict=True)]


def _sample(rows: pl.LazyFrame, cost: int) -> pl.DataFrame:
    """Every n-th row, with its share of the cost as ``__weight``; about 200,000 rows."""
    step, index = max(1, _count(rows) // _SAMPLES), "__index"
    numbered = rows.with_row_index(index).filter(pl.col(index) % step == 0).drop(index)
    sample = numbered.collect(engine="streaming")
    return sample.with_columns(pl.lit(cost / max(1, sample.height)).alias(_WEIGHT))


def schema_row_bytes(rows: pl.LazyFrame) -> int:
    """About how many bytes a row takes, by the types of its columns alone; no row is read."""
    return sum(8 if dtype.is_numeric() or dtype.is_temporal() else 24 for dtype in rows.collect_schema().dtypes())
