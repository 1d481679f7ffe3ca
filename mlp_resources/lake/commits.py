"""What a commit carries, and what is read back from it: columns, transactions, notes and files."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake import Transaction as DeltaTransaction

from mlp_assets.errors import LakeError
from mlp_resources.ports.lake import Table, Transaction

_NOTE_PREFIX: Final = "mlp."


def notes_of(commit: Mapping[str, Any]) -> dict[str, str]:
    """The notes of a commit, as ``DeltaTable.history`` returns it."""
    return {
        name.removeprefix(_NOTE_PREFIX): str(text) for name, text in commit.items() if name.startswith(_NOTE_PREFIX)
    }


def file_paths(handle: DeltaTable) -> set[str]:
    """The paths of the files below the table's folder."""
    return set(file_sizes(handle))


def file_sizes(handle: DeltaTable) -> dict[str, int]:
    """Path below the table's folder -> bytes. The log spells paths as parts of a URL, with ``%20`` for a space."""
    files = pl.DataFrame(handle.get_add_actions()).select("path", "size_bytes")
    return {unquote(path): size for path, size in files.iter_rows()}


def commit_properties(transaction: Transaction | None, notes: Mapping[str, str] | None = None) -> CommitProperties:
    transactions = [DeltaTransaction(transaction.application, transaction.number)] if transaction is not None else []
    texts = {f"{_NOTE_PREFIX}{name}": text for name, text in (notes or {}).items()}
    return CommitProperties(app_transactions=transactions, custom_metadata=texts)


def has_moved_on(handle: DeltaTable, transaction: Transaction) -> bool:
    """Whether the table's counter has left the transaction's start: it landed, or another writer was faster."""
    return (handle.transaction_version(transaction.application) or 0) != transaction.after


def added_bytes(handle: DeltaTable, known: set[str]) -> int:
    """The size of the files that are not among the paths ``known``."""
    return sum(size for path, size in file_sizes(handle).items() if path not in known)


def with_removed_columns(table: Table, current: DeltaTable, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with nulls for columns that only the table has: its spec dropped them, other partitions hold them.

    Raises:
        LakeError: a column has another type in the table.
    """
    stored = pl.scan_delta(current).collect_schema()
    retyped = [
        f"{name} is {kind}, was {stored[name]}" for name, kind in frame.schema.items() if stored.get(name, kind) != kind
    ]
    if retyped:
        raise LakeError(
            f"Table {table}: columns have another type than in the table: {', '.join(retyped)}. Rename the column, or "
            f"remove {current.table_uri} and materialize all its partitions."
        )
    return frame.with_columns(pl.lit(None, dtype=kind).alias(n) for n, kind in stored.items() if n not in frame.columns)
