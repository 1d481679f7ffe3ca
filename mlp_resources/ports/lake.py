"""What the platform asks of its surroundings: Protocols with plain data in and out. Adapters are one a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl


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
    """What a write did: the version that now holds it, whether this call made it, and the bytes that it added."""

    version: int
    changed: bool
    bytes: int


@dataclass(frozen=True)
class Part:
    """A file of rows that lies beside a table's own, and that nobody sees until it is published."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Transaction:
    """The identity of a write: it takes ``application`` from the number ``after`` to ``number``.

    Where the table does not stand at ``after``, somebody else has written these rows: the write is a no-op.
    """

    application: str
    number: int
    after: int = 0


class Lake(Protocol):
    """Versioned tables. Every write is atomic, and tells when another one came between.

    What only reads takes a location too, for the tables that someone else writes.
    """

    def location(self, table: Table) -> str: ...

    def version(self, table: Table | str) -> int | None:
        """The newest version, None when the table does not exist."""
        ...

    def scan(self, table: Table | str, version: int | None = None) -> pl.LazyFrame:
        """The table's rows. Raises LakeError when it does not exist."""
        ...

    def partitions(self, table: Table) -> set[str]:
        """The partitions that hold rows."""
        ...

    def created(self, table: Table) -> datetime | None:
        """When the table was made, in UTC; None when it does not exist."""
        ...

    def changes(self, table: Table | str, before: int, now: int) -> tuple[pl.LazyFrame | None, pl.LazyFrame | None]:
        """The rows of the files that the version ``now`` has and ``before`` (-1: nothing) has not, and the other way
        round, without the partition column; rows that were only moved to other files are in both."""
        ...

    def write_partitions(
        self,
        table: Table,
        frame: pl.DataFrame,
        partitions: Sequence[str],
        transaction: Transaction | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> WriteResult:
        """Replaces exactly the partitions named; ``frame`` has the column ``partition``. ``notes`` stay with it."""
        ...

    def notes(self, table: Table) -> dict[str, str]:
        """The notes of the last write that left any."""
        ...

    def replace(self, table: Table, frame: pl.DataFrame) -> WriteResult:
        """Replaces the whole table, its schema too."""
        ...

    def stage(self, table: Table, frame: pl.DataFrame, name: str, partition: str | None = None) -> Part:
        """Writes a part of a table (or of one partition, then without that column), from any process; the same name
        again replaces the part."""
        ...

    def publish(self, table: Table, parts: Sequence[Part], schema: pl.Schema) -> WriteResult:
        """Replaces the whole table, its schema too, by the parts, in one commit; they count in this order."""
        ...

    def publish_partition(
        self, table: Table, partition: str, parts: Sequence[Part], schema: pl.Schema, transaction: Transaction
    ) -> WriteResult:
        """Replaces exactly this partition by the parts, in one commit. ``schema`` is theirs, without ``partition``;
        columns that the table lacks are added to it. Raises LakeError when a column has another type in the table."""
        ...

    def unstage(self, table: Table, run: str, but: Sequence[Part] = ()) -> None:
        """Removes the parts whose names begin with ``run``, and what a killed process has left of them."""
        ...

    def append(self, table: Table, frame: pl.DataFrame, transaction: Transaction) -> WriteResult:
        """Adds rows, once for each transaction; ``changed`` tells whether it was this call that did."""
        ...

    def transaction(self, table: Table, application: str, version: int | None = None) -> int | None:
        """The number of the application's last transaction, in the newest version or in this one."""
        ...
