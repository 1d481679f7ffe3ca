"""The folder ``_delta_log`` of a table: which versions it holds."""

import re
from pathlib import Path

from mlp_assets.tables.storage import open_store

_LOG = "_delta_log"
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(.*\.)?parquet")


def oldest_version(location: str) -> int | None:
    """The oldest version that can be opened: 0, or that of the oldest checkpoint; None without either."""
    names = log_names(location)
    if f"{0:020}.json" in names:
        return 0
    return min((int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name))), default=None)


def log_names(location: str) -> set[str]:
    """The names of the files of the log."""
    if "://" not in location:
        return {file.name for file in Path(location, _LOG).iterdir()}
    from pyarrow.fs import FileSelector

    store, folder = open_store(location)
    return {file.base_name for file in store.get_file_info(FileSelector(f"{folder}/{_LOG}"))}
