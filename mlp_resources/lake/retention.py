"""Keeps the log and the files of every table. delta-rs would remove log entries of 30 days, and time travel with them.

delta-rs removes expired log entries whenever a commit makes a checkpoint, every 100 commits. The properties below are
stored in the table, so they hold for every writer. Checkpoints are made as before, so opening stays fast.
"""

from collections.abc import Mapping
from typing import Final

from deltalake import DeltaTable

_FOREVER: Final = "interval 36500 days"
PROPERTIES: Final[Mapping[str, str]] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": _FOREVER,
    "delta.deletedFileRetentionDuration": _FOREVER,  # somebody's vacuum then removes nothing
}


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
