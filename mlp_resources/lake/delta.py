"""The lake as Delta tables in a folder or an object store."""

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from mlp_assets.errors import LakeError
from mlp_assets.tables.storage import existing, open_delta
from mlp_resources.lake.commits import (
    added_bytes,
    commit_properties,
    file_paths,
    has_moved_on,
    notes_of,
    with_removed_columns,
)
from mlp_resources.lake.compaction import Merged, merge, replace_files, small_files
from mlp_resources.lake.delta_log import read_history
from mlp_resources.lake.delta_parts import as_stored, publish, publish_partition, remove_files, stage, unstage
from mlp_resources.lake.file_changes import file_changes
from mlp_resources.lake.open_tables import OpenTables
from mlp_resources.lake.recorded_version import open_log, open_version
from mlp_resources.lake.retention import checkpoint_early, create_table, set_retention
from mlp_resources.ports.lake import Part, Table, Transaction, WriteResult
from mlp_resources.ports.table_history import TableHistory

_ATTEMPTS = 8
_NOTED_COMMITS = 50
_COMPACTION = "compaction"  # the application of its transactions


class DeltaLake:
    """Tables below ``root``, each partitioned by its column ``partition`` where it has one.

    Args:
        root: an absolute path, ``file://`` or ``s3://``; see ``lake/root.py``.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self._tables = OpenTables(open_delta)

    def location(self, table: Table) -> str:
        return f"{self.root}/{table}"

    def version(self, table: Table | str) -> int | None:
        handle = self._handle(table)
        return None if handle is None else handle.version()

    def scan(self, table: Table | str, version: int | None = None) -> pl.LazyFrame:
        handle = self._handle(table)
        if handle is None and isinstance(table, str):
            raise LakeError(
                f"There is no Delta table at {table}. Write its location as delta='...', or create it first."
            )
        if handle is None:
            raise LakeError(f"Table {table} does not exist yet. Materialize the asset that writes it first.")
        return pl.scan_delta(handle if version is None else open_version(self._place(table), table, handle, version))

    def partitions(self, table: Table) -> set[str]:
        handle = self._handle(table)
        return set() if handle is None else {str(values["partition"]) for values in handle.partitions()}

    def created(self, table: Table) -> datetime | None:
        handle = self._handle(table)
        milliseconds = None if handle is None else handle.metadata().created_time
        return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)

    def changes(self, table: Table | str, before: int, now: int) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
        newest = self._handle(table)
        return (None, None) if newest is None else file_changes(self._place(table), table, newest, before, now)

    def notes(self, table: Table, version: int | None = None) -> dict[str, str]:
        handle = self._handle(table)
        newer = 0 if handle is None or version is None else handle.version() - version
        commits = [] if handle is None else handle.history(newer + _NOTED_COMMITS)  # newest first, at any version
        notes = (notes_of(commit) for commit in commits[newer:])
        return next((texts for texts in notes if texts), {})

    def notes_between(self, table: Table, before: int, now: int) -> list[dict[str, str]] | None:
        handle = self._handle(table)
        commits = [] if handle is None or handle.version() <= before else handle.history(handle.version() - before)
        noted = {commit["version"]: notes_of(commit) for commit in commits}
        wanted = range(before + 1, now + 1)
        return [noted[version] for version in wanted] if noted.keys() >= set(wanted) else None

    def history(self, table: Table) -> TableHistory | None:
        return None if self._handle(table) is None else read_history(self.location(table))

    def existing_files(self, table: Table, paths: Collection[str]) -> set[str]:
        folder = f"{self.location(table)}/"
        return {place.removeprefix(folder) for place in existing({f"{folder}{path}" for path in paths})}

    def remove_files(self, table: Table, paths: Collection[str]) -> None:
        remove_files(self.location(table), set(paths) - file_paths(open_delta(self.location(table))))

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
            raise LakeError(
                f"Table {table}: the frame has rows of partitions {sorted(stray)}, and the write names "
                f"{list(partitions)}. Name these partitions too, or leave the rows out."
            )
        listed = ", ".join(f"'{partition}'" for partition in partitions)
        return self._overwrite(table, frame, f"partition IN ({listed})", transaction, notes)

    def replace(self, table: Table, frame: pl.DataFrame) -> WriteResult:
        return self._overwrite(table, frame, predicate=None)

    def stage(self, table: Table, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
        return stage(self.location(table), frame, name, partition)

    def publish(
        self, table: Table, parts: Sequence[Part], schema: pl.Schema, notes: Mapping[str, str] | None = None
    ) -> WriteResult:
        def write(current: DeltaTable) -> None:
            publish(current, parts, schema, notes)

        paths = {part.path for part in parts}
        return self._commit(
            table, pl.DataFrame(schema=schema), write, lambda now: bool(paths) and file_paths(now) == paths
        )

    def publish_partition(
        self, table: Table, partition: str, parts: Sequence[Part], schema: pl.Schema, transaction: Transaction
    ) -> WriteResult:
        frame = as_stored(pl.DataFrame(schema={**schema, "partition": pl.String}))

        def write(current: DeltaTable) -> None:
            merged = with_removed_columns(table, current, frame).schema
            publish_partition(current, parts, partition, merged, (transaction.application, transaction.number))

        return self._commit(table, frame, write, lambda now: has_moved_on(now, transaction))

    def unstage(self, table: Table, run: str, but: Sequence[Part] = ()) -> None:
        handle = self._handle(table)
        live = (
            file_paths(handle) if handle is not None else set[str]()
        )  # a commit that reported an error may have landed
        unstage(self.location(table), run, live | {part.path for part in but})

    def append(self, table: Table, frame: pl.DataFrame, transaction: Transaction) -> WriteResult:
        properties = commit_properties(transaction)

        def write(current: DeltaTable) -> None:
            write_deltalake(current, frame, mode="append", schema_mode="merge", commit_properties=properties)

        return self._commit(table, frame, write, done=lambda current: has_moved_on(current, transaction))

    def compact(self, table: Table, fewest: int = 32) -> WriteResult:
        handle = self._handle(table)
        groups = small_files(handle, fewest) if handle is not None else []
        if handle is None or not groups:
            return WriteResult(0 if handle is None else handle.version(), changed=False, bytes=0)
        run, start = f"compacted-{uuid4().hex[:12]}", handle.transaction_version(_COMPACTION) or 0
        step, published = Transaction(_COMPACTION, start + 1, start), list[Part]()
        merged = merge(handle, self.location(table), groups, run)

        def replaceable(now: DeltaTable) -> list[Merged]:
            live = file_paths(now)
            return [each for each in merged if live.issuperset(each.files.sizes)]

        def write(now: DeltaTable) -> None:
            parts = replaceable(now)
            replace_files(now, parts, (step.application, step.number))
            published.extend(each.part for each in parts)

        written = self._commit(
            table, pl.DataFrame(), write, lambda now: has_moved_on(now, step) or not replaceable(now)
        )
        self.unstage(table, run, published)
        return written

    def transaction(self, table: Table, application: str, version: int | None = None) -> int | None:
        handle = self._handle(table)
        if handle is not None and version is not None:
            handle = open_log(self._place(table), table, handle, version)
        return None if handle is None else handle.transaction_version(application)

    def _overwrite(
        self,
        table: Table,
        frame: pl.DataFrame,
        predicate: str | None,
        transaction: Transaction | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> WriteResult:
        properties = commit_properties(transaction, notes)

        def write(current: DeltaTable) -> None:
            all_rows = predicate is None
            rows = frame if all_rows else with_removed_columns(table, current, frame)
            schema_mode = "overwrite" if all_rows else "merge"
            write_deltalake(
                current,
                rows,
                mode="overwrite",
                predicate=predicate,
                schema_mode=schema_mode,
                commit_properties=properties,
            )

        return self._commit(table, frame, write, lambda now: transaction is not None and has_moved_on(now, transaction))

    def _commit(
        self,
        table: Table,
        frame: pl.DataFrame,
        write: Callable[[DeltaTable], None],
        done: Callable[[DeltaTable], bool],
    ) -> WriteResult:
        for attempt in range(_ATTEMPTS):
            handle = self._handle(table, open_delta) or create_table(self.location(table), frame)
            if done(handle):
                return WriteResult(handle.version(), changed=False, bytes=0)
            try:
                set_retention(handle)
                known = file_paths(handle)
                write(handle)
            except CommitFailedError as error:
                if attempt == _ATTEMPTS - 1:
                    raise LakeError(
                        f"Table {table}: other writers committed first, {_ATTEMPTS} times in a row: {error}. "
                        "Run it again."
                    ) from error
                time.sleep(random.uniform(0.01, 0.1) * (attempt + 1))
                continue
            checkpoint_early(handle)
            return WriteResult(handle.version(), changed=True, bytes=added_bytes(handle, known))
        raise AssertionError("unreachable")

    def _place(self, table: Table | str) -> str:
        return table if isinstance(table, str) else self.location(table)

    def _handle(self, table: Table | str, open: Callable[[str], DeltaTable] | None = None) -> DeltaTable | None:
        """The newest version, or None. It is to be read only; a commit moves it on, so a writer opens its own."""
        try:
            return (open or self._tables.newest)(self._place(table))
        except TableNotFoundError:
            return None
