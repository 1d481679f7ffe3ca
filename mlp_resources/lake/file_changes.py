"""The rows by which two versions of a table differ, by file."""

import contextlib
from collections.abc import Collection

import polars as pl
from deltalake import DeltaTable

from mlp_assets.errors import LostVersionError
from mlp_assets.tables.storage import existing, scan_file
from mlp_resources.lake.recorded_version import open_log
from mlp_resources.ports.lake import Table


def file_changes(
    location: str, table: Table | str, newest: DeltaTable, before: int, now: int
) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
    """The rows of the files that only version ``now`` has, and of those that only ``before`` has and that are left.

    Args:
        table: what messages name.
        newest: the table at its newest version.
        before: -1 for an empty table.

    Raises:
        LostVersionError: version ``now`` is gone. Without ``before``, all rows count as added.
    """
    after, earlier = open_log(location, table, newest, now), None
    with contextlib.suppress(LostVersionError):
        earlier = open_log(location, table, newest, before) if before >= 0 else None
    files, files_before = set(after.file_uris()), set(earlier.file_uris()) if earlier is not None else set[str]()
    added, removed = files - files_before, existing(files_before - files) if files_before else set[str]()
    return (
        rows_of_files(after, added) if added else None,
        rows_of_files(earlier, removed) if earlier is not None and removed else None,
    )


def rows_of_files(table: DeltaTable, places: Collection[str]) -> pl.LazyFrame:
    """The rows of the files in the columns of the table, without those of partitions.

    Older files may lack columns that were added later.
    """
    columns = table.metadata().partition_columns
    schema = {name: kind for name, kind in pl.scan_delta(table).collect_schema().items() if name not in columns}
    return pl.concat([pl.LazyFrame(schema=schema), *map(scan_file, places)], how="diagonal_relaxed").select(
        list(schema)
    )
