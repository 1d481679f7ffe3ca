"""Keeps the log and the files of every table. delta-rs would remove log entries of 30 days, and time travel with them.

delta-rs removes expired log entries whenever a commit makes a checkpoint, every 100 commits. The properties below are
stored in the table, so they hold for every writer. Checkpoints are made as before, and more often while they are small:
to open a table takes 0.3 ms for each commit since the last one.
"""

import contextlib
from collections.abc import Mapping
from typing import Final

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from mlp_assets.tables.storage import open_delta, storage_options

_FOREVER: Final = "interval 36500 days"
PROPERTIES: Final[Mapping[str, str]] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": _FOREVER,
    "delta.deletedFileRetentionDuration": _FOREVER,  # somebody's vacuum then removes nothing
}
_YOUNG, _EARLY = 1000, 10  # a table of 1,000 commits has checkpoints of about 100 kB


def create_table(location: str, frame: pl.DataFrame) -> DeltaTable:
    """Creates an empty table for such rows, because two first writes clash only over a version that both have read."""
    columns = ["partition"] if "partition" in frame.columns else None
    with contextlib.suppress(CommitFailedError):  # another writer created it
        write_deltalake(
            location,
            frame.clear(),
            mode="ignore",
            partition_by=columns,
            configuration=PROPERTIES,
            storage_options=storage_options(location),
        )
    return open_delta(location)


def set_retention(table: DeltaTable) -> None:
    """Sets the properties that the table lacks, in a commit of their own. Afterwards ``table`` is at the new version.

    Tables are created with them. An earlier release created tables without them. Values that somebody set stay.

    Raises:
        CommitFailedError: another writer has committed since ``table`` was read.
    """
    present = table.metadata().configuration
    missing = {name: value for name, value in PROPERTIES.items() if name not in present}
    if missing:
        table.alter.set_table_properties(missing)


def checkpoint_early(table: DeltaTable) -> None:
    """Makes a checkpoint after every tenth commit of a table that has few, where delta-rs waits for the hundredth."""
    version = table.version()
    if version < _YOUNG and (version + 1) % _EARLY == 0:
        table.create_checkpoint()
