"""Parts of a Delta table: Parquet files that any process writes and one commit publishes."""

import contextlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction

from mlp_assets.files import replacement
from mlp_assets.tables.row_groups import rows_together
from mlp_assets.tables.storage import open_store
from mlp_resources.lake.commits import commit_properties
from mlp_resources.ports.lake import Part, Transaction

_SUFFIX, _PUBLISHED = ".zstd.parquet", "mlp-published"
_SIGNED: dict[type[pl.DataType], type[pl.DataType]] = {
    pl.UInt8: pl.Int8, pl.UInt16: pl.Int16, pl.UInt32: pl.Int32, pl.UInt64: pl.Int64
}  # fmt: skip


def stage(location: str, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
    """Writes a part atomically, replacing one of the same name.

    The part of a partition is in the partition's folder, because Polars reads the column's value from the path.
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
    with replacement(target) as partial:
        _write(rows, partial)
        size = partial.stat().st_size
    return Part(path, rows.height, size)


def unstage(location: str, run: str, but: Collection[str]) -> None:
    """Removes the files of any partition whose names begin with ``run``, except the paths ``but``."""
    if "://" not in location:
        for pattern in (f"{run}*", f"{_folder('*')}{run}*"):
            for file in Path(location).glob(pattern):
                if str(file.relative_to(location)) not in but:
                    file.unlink(missing_ok=True)
        return
    from pyarrow.fs import FileSelector

    store, folder = open_store(location)
    for file in store.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True)):
        if file.is_file and file.base_name.startswith(run) and file.path.removeprefix(f"{folder}/") not in but:
            store.delete_file(file.path)


def remove_files(location: str, paths: Collection[str]) -> None:
    """Removes files of the table's folder. One that is gone is passed over."""
    if "://" not in location:
        for path in paths:
            Path(location, path).unlink(missing_ok=True)
        return
    store, folder = open_store(location)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            store.delete_file(f"{folder}/{path}")


def _folder(partition: str | None) -> str:
    return f"partition={partition}/" if partition is not None else ""


def publish(
    table: DeltaTable, parts: Sequence[Part], schema: pl.Schema, notes: Mapping[str, str] | None = None
) -> None:
    """Replaces all files and the schema of the table. Afterwards ``table`` is at the new version.

    Raises:
        CommitFailedError: another writer has committed since ``table`` was read.
    """
    _overwrite(table, add_actions(parts, {}), schema, (_PUBLISHED, time.time_ns()), notes=notes)


def publish_partition(
    table: DeltaTable, parts: Sequence[Part], partition: str, schema: pl.Schema, mark: tuple[str, int]
) -> None:
    """Replaces the files of one partition. Afterwards ``table`` is at the new version.

    Args:
        schema: all columns of the table, ``partition`` included.
        mark: the application and number of the transaction.

    Raises:
        CommitFailedError: another writer has written this partition since ``table`` was read.
    """
    _overwrite(table, add_actions(parts, {"partition": partition}), schema, mark, partition)


def add_actions(
    parts: Sequence[Part], values: dict[str, str], *, data_change: bool = True
) -> list[AddAction | RemoveAction]:
    """What adds the parts to a table; ``values`` are those of the partition columns."""
    at = time.time_ns() // 1_000_000
    return [
        AddAction(
            part.path, part.bytes, values, at, data_change=data_change, stats=json.dumps({"numRecords": part.rows})
        )
        for part in parts
    ]


def _overwrite(
    table: DeltaTable,
    actions: list[AddAction | RemoveAction],
    schema: pl.Schema,
    mark: tuple[str, int],
    partition: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    before, stored = table.version(), Schema.from_arrow(as_stored(pl.DataFrame(schema=schema)).schema)
    columns, only = ([], None) if partition is None else (["partition"], [("partition", "=", partition)])
    properties = commit_properties(Transaction(*mark), notes)
    table.create_write_transaction(actions, "overwrite", stored, columns, only, commit_properties=properties)
    load_commit(table, before + 1, mark)


def load_commit(table: DeltaTable, version: int, mark: tuple[str, int]) -> None:
    """Moves ``table`` to the version that the transaction made, which is this one or a later one."""
    table.load_as_version(version)
    while table.transaction_version(mark[0]) != mark[1]:  # another writer may have committed in between
        version += 1
        table.load_as_version(version)


def _write(rows: pl.DataFrame, file: Any) -> None:
    group = rows_together(rows.width)
    rows.write_parquet(file, compression="zstd", compression_level=1, row_group_size=group)


def as_stored(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in the types of Delta, which has no unsigned integers and no categories.

    Raises:
        InvalidOperationError: an unsigned number is too large for the signed type of its size.
    """
    signed = [pl.col(name).cast(_SIGNED[type(kind)]) for name, kind in frame.schema.items() if type(kind) in _SIGNED]
    texts = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return frame.with_columns(*signed, *texts)
