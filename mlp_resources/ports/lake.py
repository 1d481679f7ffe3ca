"""The port of the lake: versioned tables, named by reference or by location."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from mlp_resources.ports.table_history import TableHistory


@dataclass(frozen=True)
class Table:
    """The name of a table of the lake."""

    project: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class WriteResult:
    """The result of a write.

    Args:
        version: the version that holds the rows.
        changed: whether this call wrote them; False where an earlier one had.
        bytes: size of the files that this call added.
    """

    version: int
    changed: bool
    bytes: int


@dataclass(frozen=True)
class Part:
    """A file of rows in a table's folder. Readers do not see it until it is published."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Transaction:
    """The identity of a write: it moves the counter ``application`` of the table from ``after`` to ``number``.

    The write does nothing when the counter is not at ``after``: it has landed before, or another writer was faster.
    """

    application: str
    number: int
    after: int = 0


class Lake(Protocol):
    """Versioned tables. Every write is atomic, and concurrent writers lose nothing.

    Methods that only read also take the location of a table that the platform does not write.
    """

    def location(self, table: Table) -> str:
        """Where the table is: an absolute path, ``file://`` or ``s3://``. Holds no credentials."""
        ...

    def version(self, table: Table | str) -> int | None:
        """The newest version; None when the table does not exist."""
        ...

    def scan(self, table: Table | str, version: int | None = None) -> pl.LazyFrame:
        """The rows of a version, the newest by default.

        Raises:
            LakeError: the table does not exist.
            LostVersionError: the version is gone.
        """
        ...

    def partitions(self, table: Table) -> set[str]:
        """The names of the partitions that hold rows."""
        ...

    def created(self, table: Table) -> datetime | None:
        """When the table was created, in UTC; None when it does not exist."""
        ...

    def changes(self, table: Table | str, before: int, now: int) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
        """The rows added and the rows removed between two versions, without the partition column.

        The comparison is by file, so rows that moved to another file are in both. None stands for no files. Where the
        earlier version is gone, all rows count as added; where some of its files are, so do their rows that remain.

        Args:
            before: the earlier version; -1 for an empty table.
        """
        ...

    def history(self, table: Table) -> TableHistory | None:
        """The table's versions, and which of them need which file; None when the table does not exist."""
        ...

    def existing_files(self, table: Table, paths: Collection[str]) -> set[str]:
        """Those of the paths below the table's folder at which there is a file."""
        ...

    def remove_files(self, table: Table, paths: Collection[str]) -> None:
        """Removes files for good, except files of the newest version. The versions that have them cannot be read then.

        Args:
            paths: below the table's folder.
        """
        ...

    def write_partitions(
        self,
        table: Table,
        frame: pl.DataFrame,
        partitions: Sequence[str],
        transaction: Transaction | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> WriteResult:
        """Replaces exactly the named partitions.

        Args:
            frame: rows of these partitions, with the column ``partition``.
            notes: texts that are kept with the commit.

        Raises:
            LakeError: the frame has rows of another partition, or a column has another type in the table.
        """
        ...

    def notes(self, table: Table, version: int | None = None) -> dict[str, str]:
        """The notes of the newest write that has any; at a version, of the newest one up to it."""
        ...

    def notes_between(self, table: Table, before: int, now: int) -> list[dict[str, str]] | None:
        """The notes of each commit after one version up to another; None if the log of one of them is gone."""
        ...

    def replace(self, table: Table, frame: pl.DataFrame) -> WriteResult:
        """Replaces the whole table and its schema."""
        ...

    def stage(self, table: Table, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
        """Writes a part of a table, from any process. A part of the same name is replaced.

        Args:
            partition: the partition of its rows, which then lack that column.
        """
        ...

    def publish(
        self, table: Table, parts: Sequence[Part], schema: pl.Schema, notes: Mapping[str, str] | None = None
    ) -> WriteResult:
        """Replaces the whole table and its schema by the parts, in this order and in one commit.

        Args:
            notes: texts that are kept with the commit.
        """
        ...

    def publish_partition(
        self, table: Table, partition: str, parts: Sequence[Part], schema: pl.Schema, transaction: Transaction
    ) -> WriteResult:
        """Replaces exactly this partition by the parts, in one commit. New columns are added to the table.

        Args:
            schema: of the parts, without ``partition``.

        Raises:
            LakeError: a column has another type in the table.
        """
        ...

    def unstage(self, table: Table, run: str, but: Sequence[Part] = ()) -> None:
        """Removes the parts whose names begin with ``run``, except ``but``, and partial files of killed processes."""
        ...

    def append(self, table: Table, frame: pl.DataFrame, transaction: Transaction) -> WriteResult:
        """Adds rows, once for each transaction; ``changed`` is False where an earlier call had added them."""
        ...

    def compact(self, table: Table, fewest: int = 32) -> WriteResult:
        """Merges small files of partitions that have at least ``fewest``; ``changed`` is False without any.

        Rows, other versions and concurrent writers are not affected, but the order of rows is: tables whose order
        matters are not compacted. A call merges a limited number of files.
        """
        ...

    def transaction(self, table: Table, application: str, version: int | None = None) -> int | None:
        """The number of the application's last transaction at a version, the newest by default; None without one.

        Raises:
            LostVersionError: the version is gone.
        """
        ...
