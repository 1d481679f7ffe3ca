"""Writes a training set's table shard by shard, here or on other machines, and publishes it in one commit."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import polars as pl

from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.memory import batch_bytes
from mlp_assets.tables.sharding import Shard, shards_of
from mlp_assets.training_sets.compute.training_rows import Recipe
from mlp_resources.ports.lake import Lake, Part, Table, WriteResult
from mlp_resources.ports.shards import ShardRunner

_PREVIEW_ROWS = 5


@dataclass(frozen=True)
class ShardSummary:
    """Summary of one written shard: file, digest contribution, first rows, and counts of each part of the split."""

    part: Part
    sums: RowSums
    first: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class WrittenRows:
    """Summary of a written table; its rows are not held in memory.

    Args:
        shard_bytes: the most bytes of a shard. The same rows, written with the same number, have the same order.
        first: the first rows.
        splits: split, rows, first and last time, total of the target.
    """

    written: WriteResult
    rows: int
    shards: int
    shard_bytes: int
    digest: str
    first: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class ShardWork:
    """Joins and writes one shard. Plain data, so that another process can run it."""

    recipe: Recipe
    lake: Lake
    table: Table
    run: str

    def __call__(self, item: tuple[int, Shard]) -> ShardSummary:
        number, shard = item
        rows = self.recipe.rows(shard)
        with ThreadPoolExecutor(1) as pool:
            sums = pool.submit(row_sums, rows)
            part = self.lake.stage(self.table, rows, f"{self.run}-{number:06d}")
        # A slice would keep all the rows in memory.
        first = pl.DataFrame(rows.head(_PREVIEW_ROWS).rows(), schema=rows.schema, orient="row")
        return ShardSummary(part, sums.result(), first, _splits(rows, self.recipe.target))


def write_rows(
    recipe: Recipe,
    lake: Lake,
    table: Table,
    runner: ShardRunner,
    shard_bytes: int | None = None,
    notes: Mapping[str, str] | None = None,
) -> WrittenRows:
    """Replaces the table by the recipe's rows. A run that fails leaves nothing behind.

    Args:
        shard_bytes: the most bytes of a shard; derived from the runner's memory by default.
        notes: to leave with the commit.
    """
    most = shard_bytes or batch_bytes(runner.memory())
    work = ShardWork(recipe, lake, table, f"part-{uuid4().hex[:12]}")
    shards = shards_of(recipe.spine, recipe.time, recipe.keys, recipe.tables, most)
    try:
        summaries = list(runner.map(work, list(enumerate(shards))))
    except BaseException:
        lake.unstage(table, work.run)
        raise
    parts = [summary.part for summary in summaries if summary.part.rows] or [summaries[0].part]
    written = lake.publish(table, parts, summaries[0].first.schema, notes)
    lake.unstage(table, work.run, but=parts)
    sums = summaries[0].sums
    for summary in summaries[1:]:
        sums += summary.sums
    first = pl.concat(summary.first for summary in summaries).head(_PREVIEW_ROWS)
    splits = _add_splits([summary.splits for summary in summaries])
    return WrittenRows(written, sums.rows, len(summaries), most, sums.digest(), first, splits)


def _splits(rows: pl.DataFrame, target: str) -> pl.DataFrame:
    total = pl.col(target).sum() if rows.schema[target].is_numeric() else pl.lit(float("nan"))  # texts have no mean
    return rows.group_by("split").agg(rows=pl.len(), first=pl.col("at").min(), last=pl.col("at").max(), total=total)


def _add_splits(splits: list[pl.DataFrame]) -> pl.DataFrame:
    sums = pl.col("rows", "total").sum()
    added = pl.concat(splits).group_by("split", maintain_order=True)
    return added.agg(sums, pl.col("first").min(), pl.col("last").max()).sort("first")


def summarize_splits(splits: pl.DataFrame, target: str) -> pl.DataFrame:
    """Rows, time span and, for a number, the mean of the target, for each part of the split."""
    numeric = splits["total"].cast(pl.Float64).is_finite().all()
    mean = {f"mean_{target}": pl.col("total") / pl.col("rows")} if numeric else {}
    return splits.select("split", "rows", pl.col("first", "last").dt.to_string("%Y-%m-%d"), **mean)
