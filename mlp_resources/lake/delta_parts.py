"""Parts of a Delta table: Parquet files that are written one by one, by any process, and committed together."""

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.transaction import AddAction, RemoveAction

from mlp_assets.tables.row_groups import rows_together
from mlp_assets.tables.storage import open_store
from mlp_resources.ports.lake import Part

_SUFFIX, _PUBLISHED = ".zstd.parquet", "mlp-published"
_SIGNED = {pl.UInt8: pl.Int8, pl.UInt16: pl.Int16, pl.UInt32: pl.Int32, pl.UInt64: pl.Int64}


def stage(location: str, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
    """Writes a file that is there whole or not at all; one of the same name is replaced.

    A part of a partition lies in its folder: Polars reads the value of ``partition`` from the path.
    """
    rows, path = as_stored(frame), f"{_folder(partition)}{name}{_SUFFIX}"
    if "://" in location:
        store, folder = open_store(location)
        target = f"{folder}/{path}"
        store.create_dir(target.rpartition("/")[0])
        with store.open_output_stream(target) as stream:
            _write(rows, stream)
            return Part(path, rows.height, stream.tell())
    target = Path(location) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{name}.{time.monotonic_ns()}.partial")
    _write(rows, partial)
    size = partial.stat().st_size
    partial.replace(target)
    return Part(path, rows.height, size)


def unstage(location: str, run: str, but: Collection[str]) -> None:
    """Removes the files of any partition whose names begin with ``run``, but for these paths."""
    if "://" not in location:
        for pattern in (f"{run}*", f"{_folder('*')}{run}*"):
            for left in Path(location).glob(pattern):
                if str(left.relative_to(location)) not in but:
                    left.unlink(missing_ok=True)
        return
    from pyarrow.fs import FileSelector

    store, folder = open_store(location)
    for found in store.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True)):
        if found.base_name.startswith(run) and found.path.removeprefix(f"{folder}/") not in but:
            store.delete_file(found.path)


def _folder(partition: str | None) -> str:
    return f"partition={partition}/" if partition is not None else ""


def publish(table: DeltaTable, parts: Sequence[Part], schema: pl.Schema) -> None:
    """Replaces all files of the table by the parts, and its schema; ``table`` is at that version afterwards.

    Raises:
        CommitFailedError: somebody else has written since ``table`` was read.
    """
    _overwrite(table, _added(parts, {}), schema, (_PUBLISHED, time.time_ns()))


def publish_partition(
    table: DeltaTable, parts: Sequence[Part], partition: str, schema: pl.Schema, mark: tuple[str, int]
) -> None:
    """Replaces the files of one partition by the parts; ``table`` is at that version afterwards.

    Args:
        schema: all columns of the table, ``partition`` included.
        mark: the application and number of the transaction.

    Raises:
        CommitFailedError: somebody else has written this partition since ``table`` was read.
    """
    _overwrite(table, _added(parts, {"partition": partition}), schema, mark, partition)


def _added(parts: Sequence[Part], values: dict[str, str]) -> list[AddAction | RemoveAction]:
    at = time.time_ns() // 1_000_000
    return [
        AddAction(part.path, part.bytes, values, at, data_change=True, stats=json.dumps({"numRecords": part.rows}))
        for part in parts
    ]


def _overwrite(
    table: DeltaTable,
    actions: list[AddAction | RemoveAction],
    schema: pl.Schema,
    mark: tuple[str, int],
    partition: str | None = None,
) -> None:
    before, stored = table.version(), Schema.from_arrow(as_stored(pl.DataFrame(schema=schema)).schema)
    columns, only = ([], None) if partition is None else (["partition"], [("partition", "=", partition)])
    named = CommitProperties(app_transactions=[Transaction(*mark)])
    table.create_write_transaction(actions, "overwrite", stored, columns, only, commit_properties=named)
    version = before + 1
    table.load_as_version(version)
    while table.transaction_version(mark[0]) != mark[1]:  # another writer may have committed in between
        version += 1
        table.load_as_version(version)


def _write(rows: pl.DataFrame, file: Any) -> None:
    group = rows_together(rows.width)
    rows.write_parquet(file, compression="zstd", compression_level=1, row_group_size=group)


def as_stored(frame: pl.DataFrame) -> pl.DataFrame:
    """Delta has no unsigned numbers and no categories. Raises InvalidOperationError where a number is too large."""
    signed = [pl.col(name).cast(_SIGNED[type(kind)]) for name, kind in frame.schema.items() if type(kind) in _SIGNED]
    named = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return frame.with_columns(*signed, *named)
