"""The lake on Delta tables: a folder or an object store."""

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake import Transaction as DeltaTransaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from mlp_assets.errors import LakeError
from mlp_assets.tables.storage import existing, open_delta, scan_parquet, storage_options
from mlp_resources.lake.delta_parts import as_stored, publish, publish_partition, stage, unstage
from mlp_resources.ports.lake import Part, Table, Transaction, WriteResult

_ATTEMPTS = 8
_NOTE, _COMMITS_LOOKED_AT = "mlp.", 50


class DeltaLake:
    """Tables below ``root``, one Delta table each, partitioned by the column ``partition`` where there is one."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")

    def location(self, table: Table) -> str:
        return f"{self.root}/{table}"

    def version(self, table: Table | str) -> int | None:
        handle = self._handle(table)
        return None if handle is None else handle.version()

    def scan(self, table: Table | str, version: int | None = None) -> pl.LazyFrame:
        handle = self._handle(table, version)
        if handle is None and isinstance(table, str):
            raise LakeError(f"There is no Delta table at {table}. Write its location as delta='...', or make it first.")
        if handle is None:
            raise LakeError(f"Table {table} does not exist yet. Materialize the asset that writes it first.")
        return pl.scan_delta(handle)

    def partitions(self, table: Table) -> set[str]:
        handle = self._handle(table)
        return set() if handle is None else {str(found["partition"]) for found in handle.partitions()}

    def created(self, table: Table) -> datetime | None:
        handle = self._handle(table)
        made = None if handle is None else handle.metadata().created_time
        return None if made is None else datetime.fromtimestamp(made / 1000, UTC)

    def changes(self, table: Table | str, before: int, now: int) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
        after, earlier = self._files(table, now), self._files(table, before) if before >= 0 else set[str]()
        return _rows_of(after - earlier), _rows_of(existing(earlier - after))  # vacuum may have removed some

    def notes(self, table: Table) -> dict[str, str]:
        handle = self._handle(table)
        commits = [] if handle is None else handle.history(_COMMITS_LOOKED_AT)
        noted = next((commit for commit in commits if any(name.startswith(_NOTE) for name in commit)), {})
        return {name.removeprefix(_NOTE): str(text) for name, text in noted.items() if name.startswith(_NOTE)}

    def write_partitions(
        self,
        table: Table,
        frame: pl.DataFrame,
        partitions: Sequence[str],
        transaction: Transaction | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> WriteResult:
        stray = set(frame["partition"].unique()) - set(partitions)
        if stray:
            raise LakeError(f"Table {table}: rows of partitions {sorted(stray)} in a write of {list(partitions)}.")
        listed = ", ".join(f"'{partition}'" for partition in partitions)
        return self._overwrite(table, frame, f"partition IN ({listed})", transaction, notes)

    def replace(self, table: Table, frame: pl.DataFrame) -> WriteResult:
        return self._overwrite(table, frame, predicate=None)

    def stage(self, table: Table, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
        return stage(self.location(table), frame, name, partition)

    def publish(self, table: Table, parts: Sequence[Part], schema: pl.Schema) -> WriteResult:
        def write(current: DeltaTable) -> None:
            publish(current, parts, schema)

        paths = {part.path for part in parts}
        return self._commit(table, pl.DataFrame(schema=schema), write, lambda now: bool(paths) and _paths(now) == paths)

    def publish_partition(
        self, table: Table, partition: str, parts: Sequence[Part], schema: pl.Schema, transaction: Transaction
    ) -> WriteResult:
        frame = as_stored(pl.DataFrame(schema={**schema, "partition": pl.String}))

        def write(current: DeltaTable) -> None:
            merged = _with_removed_columns(table, current, frame).schema
            publish_partition(current, parts, partition, merged, (transaction.application, transaction.number))

        return self._commit(table, frame, write, lambda now: _moved_on(now, transaction))

    def unstage(self, table: Table, run: str, but: Sequence[Part] = ()) -> None:
        unstage(self.location(table), run, {part.path for part in but})

    def append(self, table: Table, frame: pl.DataFrame, transaction: Transaction) -> WriteResult:
        properties = _properties(transaction)

        def write(current: DeltaTable) -> None:
            write_deltalake(current, frame, mode="append", schema_mode="merge", commit_properties=properties)

        return self._commit(table, frame, write, done=lambda current: _moved_on(current, transaction))

    def transaction(self, table: Table, application: str, version: int | None = None) -> int | None:
        handle = self._handle(table, version)
        return None if handle is None else handle.transaction_version(application)

    def _overwrite(
        self,
        table: Table,
        frame: pl.DataFrame,
        predicate: str | None,
        transaction: Transaction | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> WriteResult:
        properties = _properties(transaction, notes)

        def write(current: DeltaTable) -> None:
            whole = predicate is None
            rows = frame if whole else _with_removed_columns(table, current, frame)
            schema_mode = "overwrite" if whole else "merge"
            write_deltalake(
                current,
                rows,
                mode="overwrite",
                predicate=predicate,
                schema_mode=schema_mode,
                commit_properties=properties,
            )

        return self._commit(table, frame, write, lambda now: transaction is not None and _moved_on(now, transaction))

    def _commit(
        self,
        table: Table,
        frame: pl.DataFrame,
        write: Callable[[DeltaTable], None],
        done: Callable[[DeltaTable], bool],
    ) -> WriteResult:
        for attempt in range(_ATTEMPTS):
            handle = self._handle(table) or self._created(table, frame)
            if done(handle):
                return WriteResult(handle.version(), changed=False, bytes=0)
            known = _paths(handle)
            try:
                write(handle)
            except CommitFailedError as error:
                if attempt == _ATTEMPTS - 1:
                    raise LakeError(f"Table {table}: other writers came between {_ATTEMPTS} times: {error}") from error
                time.sleep(random.uniform(0.01, 0.1) * (attempt + 1))
                continue
            return WriteResult(handle.version(), changed=True, bytes=_added_bytes(handle, known))
        raise AssertionError("unreachable")

    def _created(self, table: Table, frame: pl.DataFrame) -> DeltaTable:
        """An empty table of the frame's columns: two first writes clash only over a version that both have read."""
        location, columns = self.location(table), ["partition"] if "partition" in frame.columns else None
        options = storage_options(location)
        with contextlib.suppress(CommitFailedError):  # another writer was first
            write_deltalake(location, frame.clear(), mode="ignore", partition_by=columns, storage_options=options)
        return open_delta(location)

    def _files(self, table: Table | str, version: int) -> set[str]:
        """Where the files of a version lie; none when its log is gone."""
        handle = self._handle(table, version)
        return set() if handle is None else set(handle.file_uris())

    def _handle(self, table: Table | str, version: int | None = None) -> DeltaTable | None:
        try:
            return open_delta(table if isinstance(table, str) else self.location(table), version)
        except TableNotFoundError:
            return None


def _with_removed_columns(table: Table, current: DeltaTable, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with nulls for columns that its spec no longer has, while other partitions still do.

    Raises:
        LakeError: a column has another type in the table.
    """
    stored = pl.scan_delta(current).collect_schema()
    wrong = [
        f"{name} is {kind}, was {stored[name]}" for name, kind in frame.schema.items() if stored.get(name, kind) != kind
    ]
    if wrong:
        raise LakeError(
            f"Table {table}: columns changed their type: {', '.join(wrong)}. Give the column another name, or "
            f"remove {current.table_uri} and materialize all its partitions."
        )
    return frame.with_columns(pl.lit(None, dtype=kind).alias(n) for n, kind in stored.items() if n not in frame.columns)


def _paths(handle: DeltaTable) -> set[str]:
    return set(pl.DataFrame(handle.get_add_actions())["path"])


def _properties(transaction: Transaction | None, notes: Mapping[str, str] | None = None) -> CommitProperties:
    marks = [DeltaTransaction(transaction.application, transaction.number)] if transaction is not None else []
    named = {f"{_NOTE}{name}": text for name, text in (notes or {}).items()}
    return CommitProperties(app_transactions=marks, custom_metadata=named)


def _rows_of(files: set[str]) -> pl.LazyFrame | None:
    """The rows of files that may have been written before a column was added."""
    return pl.concat([scan_parquet(file) for file in sorted(files)], how="diagonal_relaxed") if files else None


def _moved_on(handle: DeltaTable, transaction: Transaction) -> bool:
    """Whether the table no longer stands where the transaction begins: it landed, or another one came between."""
    return (handle.transaction_version(transaction.application) or 0) != transaction.after


def _added_bytes(handle: DeltaTable, known: set[str]) -> int:
    files = pl.DataFrame(handle.get_add_actions()).select("path", "size_bytes")
    return sum(size for path, size in files.iter_rows() if path not in known)
