"""What a commit carries, and what is read back from it: transactions, notes and files."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake import Transaction as DeltaTransaction

from mlp_resources.ports.lake import Transaction

_NOTE_PREFIX: Final = "mlp."


def notes_of(commit: Mapping[str, Any]) -> dict[str, str]:
    """The notes of a commit, as ``DeltaTable.history`` returns it."""
    return {
        name.removeprefix(_NOTE_PREFIX): str(text) for name, text in commit.items() if name.startswith(_NOTE_PREFIX)
    }


def file_paths(handle: DeltaTable) -> set[str]:
    """The paths of the files in the table's folder."""
    return set(pl.DataFrame(handle.get_add_actions())["path"])


def commit_properties(transaction: Transaction | None, notes: Mapping[str, str] | None = None) -> CommitProperties:
    transactions = [DeltaTransaction(transaction.application, transaction.number)] if transaction is not None else []
    texts = {f"{_NOTE_PREFIX}{name}": text for name, text in (notes or {}).items()}
    return CommitProperties(app_transactions=transactions, custom_metadata=texts)


def has_moved_on(handle: DeltaTable, transaction: Transaction) -> bool:
    """Whether the table's counter has left the transaction's start: it landed, or another writer was faster."""
    return (handle.transaction_version(transaction.application) or 0) != transaction.after


def added_bytes(handle: DeltaTable, known: set[str]) -> int:
    """The size of the files that are not among the paths ``known``."""
    files = pl.DataFrame(handle.get_add_actions()).select("path", "size_bytes")
    return sum(size for path, size in files.iter_rows() if path not in known)
