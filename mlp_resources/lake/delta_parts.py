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
from mlp_resources.ports.lake import Part

_SUFFIX, _PUBLISHED = ".zstd.parquet", "mlp-published"
_SIGNED = {pl.UInt8: pl.Int8, pl.UInt16: pl.Int16, pl.UInt32: pl.Int32, pl.UInt64: pl.Int64}


def stage(location: str, frame: pl.DataFrame, name: str) -> Part:
    """Writes a file that is there whole or not at all; one of the same name is replaced."""
    rows, path = _as_stored(frame), f"{name}{_SUFFIX}"
    if "://" in location:
        store, folder = _store(location)
        store.create_dir(folder)
        with store.open_output_stream(f"{folder}/{path}") as stream:
            _write(rows, stream)
            return Part(path, rows.height, stream.tell())
    folder = Path(location)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.{time.monotonic_ns()}.partial"
    _write(rows, partial)
    size = partial.stat().st_size
    partial.replace(folder / path)
    return Part(path, rows.height, size)


def unstage(location: str, run: str, but: Collection[str]) -> None:
    """Removes the files whose names begin with ``run``, but for these."""
    if "://" not in location:
        for left in Path(location).glob(f"{run}*"):
            if left.name not in but:
                left.unlink(missing_ok=True)
        return
    from pyarrow.fs import FileSelector

    store, folder = _store(location)
    for found in store.get_file_info(FileSelector(folder, allow_not_found=True)):
        if found.base_name.startswith(run) and found.base_name not in but:
            store.delete_file(found.path)


def publish(table: DeltaTable, parts: Sequence[Part], schema: pl.Schema) -> None:
    """Replaces all files of the table by the parts, and its schema; ``table`` is at that version afterwards.

    Raises:
        CommitFailedError: somebody else has written since ``table`` was read.
    """
    before, number = table.version(), time.time_ns()
    actions: list[AddAction | RemoveAction] = []
    for part in parts:
        stats = json.dumps({"numRecords": part.rows})
        actions.append(AddAction(part.path, part.bytes, {}, number // 1_000_000, data_change=True, stats=stats))
    stored = Schema.from_arrow(_as_stored(pl.DataFrame(schema=schema)).schema)
    named = CommitProperties(app_transactions=[Transaction(_PUBLISHED, number)])
    table.create_write_transaction(actions, "overwrite", stored, [], commit_properties=named)
    version = before + 1
    table.load_as_version(version)
    while table.transaction_version(_PUBLISHED) != number:  # somebody else may have come between
        version += 1
        table.load_as_version(version)


def _write(rows: pl.DataFrame, file: Any) -> None:
    group = rows_together(rows.width)
    rows.write_parquet(file, compression="zstd", compression_level=1, row_group_size=group)


def _as_stored(frame: pl.DataFrame) -> pl.DataFrame:
    """Delta has no unsigned numbers and no categories. Raises InvalidOperationError where a number is too large."""
    signed = [pl.col(name).cast(_SIGNED[type(kind)]) for name, kind in frame.schema.items() if type(kind) in _SIGNED]
    named = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return frame.with_columns(*signed, *named)


def _store(location: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(location)
