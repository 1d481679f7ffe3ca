"""Parquet files of several years, whose columns grew and changed their types meanwhile."""

from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.tables.storage import scan_file, scan_parquet

_CASTS = pl.ScanCastOptions(
    integer_cast=["upcast", "allow-float"],
    float_cast=["upcast", "downcast"],
    datetime_cast=["nanosecond-downcast", "microsecond-downcast", "millisecond-upcast", "microsecond-upcast"],
)


def scan_years(location: str, columns: Mapping[str, Any]) -> pl.LazyFrame:
    """The rows of Parquet files. Files of one schema, and those of an object store, are read as they are.

    Otherwise the newest file, the last one by name, says which columns there are. What an older file lacks is null
    there. The declared numbers are read as the widest type, times in microseconds.

    Args:
        columns: the declared columns and their types.
    """
    files = _files(location)
    schemas = [scan_file(file).collect_schema() for file in files]
    if not schemas or all(schema == schemas[-1] for schema in schemas):
        return scan_parquet(location)
    wanted = {name: _common(dtype, columns.get(name)) for name, dtype in schemas[-1].items()}
    return pl.scan_parquet(
        files, schema=wanted, missing_columns="insert", extra_columns="ignore", cast_options=_CASTS, glob=False
    )


def _files(location: str) -> list[str]:
    """The local files, sorted by name; empty for an object store."""
    local = location.removeprefix("file://")
    if "://" in local:
        return []
    if Path(local).is_dir():
        return sorted(str(path) for path in Path(local).rglob("*.parquet"))
    return [local] if Path(local).is_file() else sorted(glob(local, recursive=True))


def _common(newest: pl.DataType, declared: Any) -> pl.DataType:
    """The type in which a column of all files is read."""
    if declared is None:
        return newest
    if isinstance(newest, pl.Datetime):
        return pl.Datetime("us", newest.time_zone)
    if newest.is_float() or (newest.is_integer() and declared.is_float()):
        return pl.Float64()
    return pl.Int64() if newest.is_integer() and newest != pl.UInt64 else newest
