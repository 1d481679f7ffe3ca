"""Opens Delta tables and files by location: a path, ``file://`` or ``s3://``.

Endpoint, region and credentials of an object store are the standard ``AWS_*`` variables of the process. delta-rs,
Polars and Arrow read them themselves, so no location, log or metadata holds them.
"""

import os
import re
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import uuid4

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
    astray = _found(r"\\" + _code(location), location)
    if astray is not None:
        raise LakeError(
            f"A Delta table at {location} cannot be read: its path holds {astray!r}. Rename the folder, or move the "
            "table."
        )
    return _delta_class()(location, version=version, storage_options=storage_options(location))


def unusable_in_path(folder: Path, also: str = "") -> str | None:
    """The first character or code in a path below which tables cannot be written; None for a usable path.

    delta-rs refuses some, takes a backslash for a border of folders, and reads ``%20`` as a space. Polars takes ``=``
    for a partition.

    Args:
        also: further characters that the path must not hold.
    """
    return _found(rf"[][=\\^|{re.escape(also)}]" + _code(str(folder)), str(folder))


def _found(pattern: str, location: str) -> str | None:
    local = location.removeprefix("file://")
    found = re.search(pattern, local) if "://" not in local else None
    return found[0] if found else None


def _code(location: str) -> str:
    """Of a path, not of an address, in which it stands for a character."""
    return "|%[0-9A-Fa-f]{2}" if not location.startswith("file://") else ""


@cache
def _delta_class() -> "type[DeltaTable]":
    """Delta tables that name local files by their paths.

    delta-rs quotes the table's folder as in an address (``%20`` for a space), and Polars and the file system take that
    for a name. The names of files in the folder stay: those of partitions are quoted on disk too. Polars takes ``=``
    for a partition's column in the table's folder too, so such a folder is named by a link to it.
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
    if "://" in local:
        return uri
    folder = unquote(local)
    return folder if "=" not in folder else f"{_link_to(Path(folder))}/"


def _link_to(folder: Path) -> Path:
    """A link to the folder below the temporary folder, always the same. Raises LakeError where there can be none."""
    place = Path(tempfile.gettempdir()) / f"mlp-links-{os.getuid()}"
    link = place / sha256(str(folder).rstrip("/").encode()).hexdigest()[:24]
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        if place.is_symlink() or place.stat().st_uid != os.getuid():
            raise LakeError(f"{place} belongs to somebody else. Set TMPDIR to a folder of your own.")
        if not link.is_symlink() or link.readlink() != folder:
            made = place / uuid4().hex
            made.symlink_to(folder, target_is_directory=True)
            made.replace(link)
    except OSError as error:
        raise LakeError(f"{folder} is read by a link in {place}, which cannot be made: {error}.") from error
    return link


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
