"""Opens Delta tables and files by location: a path, ``file://`` or ``s3://``.

Endpoint, region and credentials of an object store are the standard ``AWS_*`` variables of the process. delta-rs,
Polars and Arrow read them themselves, so no location, log or metadata holds them.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from mlp_assets.errors import LakeError, LostVersionError

if TYPE_CHECKING:
    from deltalake import DeltaTable

# A commit creates its log entry only where there is none yet, so concurrent writers cannot overwrite each other.
_S3: Mapping[str, str] = {"aws_conditional_put": "etag", "allow_http": "true"}


def storage_options(location: str) -> dict[str, str]:
    """Options with which delta-rs and Polars open a location. ``AWS_ENDPOINT_URL`` may be ``http://``."""
    return dict(_S3) if location.startswith("s3://") else {}


def open_delta(location: str, version: int | None = None) -> "DeltaTable":
    """The Delta table at a version, the newest by default.

    Raises:
        TableNotFoundError: there is none.
        LakeError: delta-rs or Polars cannot read what is at such a path.
    """
    unusable = unusable_in_path(location)
    if unusable is not None:
        raise LakeError(
            f"A Delta table at {location} cannot be read: its path holds {unusable!r}. Rename the folder, or move the "
            "table."
        )
    return _delta_class()(location, version=version, storage_options=storage_options(location))


def unusable_in_path(location: str, also: str = "") -> str | None:
    """The first character or code in a local path with which delta-rs or Polars go astray; None for a usable path.

    delta-rs refuses some, takes others for folders, and reads ``%20`` as a space. Polars takes ``=`` for a partition.

    Args:
        also: further characters that the path must not hold.
    """
    local = location.removeprefix("file://")
    if "://" in local:
        return None
    code = "|%[0-9A-Fa-f]{2}" if local == location else ""  # in an address, it stands for a character
    found = re.search(rf"[][=\\^|{re.escape(also)}]{code}", local)
    return found[0] if found else None


@cache
def _delta_class() -> "type[DeltaTable]":
    """Delta tables that name local files by their paths.

    delta-rs quotes the table's folder as in an address (``%20`` for a space), and Polars and the file system take that
    for a name. The names of files in the folder stay: those of partitions are quoted on disk too.
    """
    from deltalake import DeltaTable

    class PlainPaths(DeltaTable):
        @property
        def table_uri(self) -> str:
            return _plain(super().table_uri)

        def file_uris(self, *arguments: Any, **options: Any) -> list[str]:
            folder, plain = super().table_uri.removeprefix("file://").rstrip("/"), self.table_uri.rstrip("/")
            if "://" in folder or folder == plain:
                return super().file_uris(*arguments, **options)
            files = (uri.removeprefix("file://") for uri in super().file_uris(*arguments, **options))
            return [plain + file.removeprefix(folder) for file in files]

    return PlainPaths


def _plain(uri: str) -> str:
    local = uri.removeprefix("file://")
    return uri if "://" in local else unquote(local)


def scan_delta(location: str, version: int | None = None) -> pl.LazyFrame:
    """The rows of a Delta table.

    Raises:
        TableNotFoundError: there is no table.
        LostVersionError: the log of the version is gone.
    """
    from deltalake.exceptions import DeltaError

    try:
        return pl.scan_delta(open_delta(location, version))
    except DeltaError as error:
        if version is None:
            raise
        raise LostVersionError(
            f"Version {version} of the table at {location} cannot be opened: {str(error).splitlines()[0]}. Restore the "
            "folder _delta_log from a backup, or materialize again what reads this version."
        ) from error


def scan_parquet(location: str) -> pl.LazyFrame:
    """The rows of a Parquet file, or of the files that match a pattern."""
    if Path(location).is_file():
        return scan_file(location)  # its name may hold what else begins a pattern
    return pl.scan_parquet(location, storage_options=storage_options(location) or None)


def scan_file(location: str) -> pl.LazyFrame:
    """The rows of exactly one Parquet file, without columns that its path names."""
    options = storage_options(location) or None
    return pl.scan_parquet(location, glob=False, hive_partitioning=False, storage_options=options)


def open_store(location: str) -> tuple[Any, str]:
    """Arrow's file system of a location with a scheme, and the path in it."""
    return _arrow().FileSystem.from_uri(location)


def existing(files: Collection[str]) -> set[str]:
    """The files, all of one table, that are still there."""
    if not any("://" in file for file in files):
        return {file for file in files if Path(file).exists()}
    store, _ = open_store(next(iter(files)))
    paths = [file.partition("://")[2] for file in files]
    infos = store.get_file_info(paths)
    return {file for file, info in zip(files, infos, strict=True) if info.is_file}


def _arrow() -> Any:
    return import_module("pyarrow.fs")  # it has no types
