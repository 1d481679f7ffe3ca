"""Merges small files of a table. Every version keeps its files, and every row stays in its partition.

delta-rs has its own compaction (``DeltaTable.optimize.compact``). Two of them at once, on a table that is appended to,
doubled rows in every trial (deltalake 1.6.6, 12 trials); one alone did not (6 trials). Here one commit names each file
that it replaces: it fails where one of them is gone, so the second compaction loses, and passes where files were added.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

from mlp_resources.lake.delta_parts import add_actions, load_commit, stage
from mlp_resources.lake.file_changes import rows_of_files
from mlp_resources.ports.lake import Part

_MERGED_BYTES: Final = 16_000_000
_SMALL_BYTES: Final = _MERGED_BYTES // 2
_GROUPS: Final = 64  # merged by one call: a table with a long history takes several


@dataclass(frozen=True)
class SmallFiles:
    """Small files of one partition that become one file.

    Args:
        partition: None for a table without partitions.
        sizes: path below the table's folder -> bytes.
    """

    partition: str | None
    sizes: dict[str, int]


@dataclass(frozen=True)
class Merged:
    """Small files, and the part that holds their rows."""

    files: SmallFiles
    part: Part


def small_files(table: DeltaTable, fewest: int) -> list[SmallFiles]:
    """The groups to merge: of each partition with at least ``fewest`` small files, in order of time."""
    files = pl.DataFrame(table.get_add_actions(flatten=True)).sort("modification_time", "path")
    paths = pl.Series("path", [unquote(path) for path in files["path"]], dtype=pl.String)
    files = files.with_columns(paths)
    if "partition.partition" not in files.columns:
        files = files.with_columns(pl.lit(None, dtype=pl.String).alias("partition.partition"))
    small = files.filter(pl.col("size_bytes") < _SMALL_BYTES)
    groups: list[SmallFiles] = []
    for rows in small.partition_by("partition.partition", maintain_order=True):
        if rows.height >= max(2, fewest):
            groups += _groups(rows["partition.partition"][0], list(rows.select("path", "size_bytes").iter_rows()))
    return groups[:_GROUPS]


def _groups(partition: str | None, files: Sequence[tuple[str, int]]) -> Iterator[SmallFiles]:
    group: dict[str, int] = {}
    for path, size in files:
        if group and sum(group.values()) + size > _MERGED_BYTES:
            yield from [SmallFiles(partition, group)] if len(group) > 1 else []
            group = {}
        group[path] = size
    yield from [SmallFiles(partition, group)] if len(group) > 1 else []


def merge(table: DeltaTable, location: str, groups: Sequence[SmallFiles], run: str) -> list[Merged]:
    """Writes a part with the rows of each group. Their names begin with ``run``."""
    merged, folder = list[Merged](), location.removeprefix("file://")  # in such an address, Polars takes % for a code
    for number, files in enumerate(groups):
        rows = rows_of_files(table, [f"{folder}/{path}" for path in files.sizes])
        merged.append(Merged(files, stage(location, rows.collect(), f"{run}-{number:05}", files.partition)))
    return merged


def replace_files(table: DeltaTable, merged: Sequence[Merged], mark: tuple[str, int]) -> None:
    """Replaces small files by the parts that hold their rows. Afterwards ``table`` is at the new version.

    ``dataChange`` is false in the log, which tells readers of changes that no row is new.

    Raises:
        CommitFailedError: another writer has removed one of the files since ``table`` was read.
    """
    before, at = table.version(), time.time_ns() // 1_000_000
    actions: list[AddAction | RemoveAction] = []
    for each in merged:
        values: dict[str, str] = {} if each.files.partition is None else {"partition": each.files.partition}
        actions += [RemoveAction(path, False, at, size, {**values}) for path, size in each.files.sizes.items()]
        actions += add_actions([each.part], values, data_change=False)
    properties = CommitProperties(app_transactions=[Transaction(*mark)])
    columns = table.metadata().partition_columns
    table.create_write_transaction(actions, "append", table.schema(), columns, commit_properties=properties)
    load_commit(table, before + 1, mark)
