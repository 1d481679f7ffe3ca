"""A training set's table, written shard by shard, here or on other machines, in one commit."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import polars as pl

from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.memory import batch_bytes
from mlp_assets.tables.sharding import Shard, shards_of
from mlp_assets.training_sets.compute.training_rows import Recipe
from mlp_resources.ports.lake import Lake, Part, Table, Written
from mlp_resources.ports.shards import ShardRunner

_SHOWN = 5


@dataclass(frozen=True)
class Piece:
    """What is known of rows that were written: their part, their digest's part, the first of them, and their splits."""

    part: Part
    sums: RowSums
    first: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class Made:
    """A table that was written, whose rows are nowhere in memory.

    Args:
        shard_bytes: by how many the rows were cut: the same rows cut the same way lie in the same order.
    """

    written: Written
    rows: int
    shards: int
    shard_bytes: int
    digest: str
    first: pl.DataFrame
    splits: pl.DataFrame


@dataclass(frozen=True)
class ShardWork:
    """Joins and writes one shard: plain data, so that another process can do it too."""

    recipe: Recipe
    lake: Lake
    table: Table
    run: str

    def __call__(self, item: tuple[int, Shard]) -> Piece:
        number, shard = item
        rows = self.recipe.rows(shard)
        with ThreadPoolExecutor(1) as pool:
            sums = pool.submit(row_sums, rows)
            part = self.lake.stage(self.table, rows, f"{self.run}-{number:06d}")
        # A slice would keep all the rows in memory.
        first = pl.DataFrame(rows.head(_SHOWN).rows(), schema=rows.schema, orient="row")
        return Piece(part, sums.result(), first, _splits(rows, self.recipe.target))


def write_rows(recipe: Recipe, lake: Lake, table: Table, runner: ShardRunner, shard_bytes: int | None = None) -> Made:
    """Replaces the table by the recipe's rows; a run that fails leaves nothing.

    Args:
        shard_bytes: most bytes of a shard; by the memory that is there, if it is not said.
    """
    most = shard_bytes or batch_bytes(runner.memory())
    work = ShardWork(recipe, lake, table, f"part-{uuid4().hex[:12]}")
    shards = shards_of(recipe.spine, recipe.time, recipe.keys, recipe.tables, most)
    try:
        pieces = list(runner.each(work, list(enumerate(shards))))
    except BaseException:
        lake.unstage(table, work.run)
        raise
    parts = [piece.part for piece in pieces if piece.part.rows] or [pieces[0].part]
    written = lake.publish(table, parts, pieces[0].first.schema)
    lake.unstage(table, work.run, but=parts)
    sums = pieces[0].sums
    for piece in pieces[1:]:
        sums += piece.sums
    first = pl.concat(piece.first for piece in pieces).head(_SHOWN)
    shown = _all_splits([piece.splits for piece in pieces])
    return Made(written, sums.rows, len(pieces), most, sums.digest(), first, shown)


def _splits(rows: pl.DataFrame, target: str) -> pl.DataFrame:
    total = pl.col(target).sum() if rows.schema[target].is_numeric() else pl.lit(float("nan"))  # texts have no mean
    return rows.group_by("split").agg(rows=pl.len(), first=pl.col("at").min(), last=pl.col("at").max(), total=total)


def _all_splits(pieces: list[pl.DataFrame]) -> pl.DataFrame:
    sums = pl.col("rows", "total").sum()
    added = pl.concat(pieces).group_by("split", maintain_order=True)
    return added.agg(sums, pl.col("first").min(), pl.col("last").max()).sort("first")


def shown_splits(splits: pl.DataFrame, target: str) -> pl.DataFrame:
    """Rows, time span and mean of the target, if it is a number, for each part of the split, as people read them."""
    numbers = splits["total"].cast(pl.Float64).is_finite().all()
    mean = {f"mean_{target}": pl.col("total") / pl.col("rows")} if numbers else {}
    return splits.select("split", "rows", pl.col("first", "last").dt.to_string("%Y-%m-%d"), **mean)
