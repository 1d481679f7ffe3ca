"""Reads the partitions of a source and writes them, in groups that fit in memory."""

import contextlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import add

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.new_columns import check_new_columns, noted_columns
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import notes_for
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.arrivals import Arrival, stamp_arrivals
from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.events import as_declared
from mlp_assets.tables.memory import batch_bytes
from mlp_resources.ports.lake import WriteResult


@dataclass(frozen=True)
class IngestedPartitions:
    """What a run wrote.

    Args:
        first: the rows of the first group.
        groups: how many writes there were; one, unless the rows are large for the memory at hand.
    """

    first: pl.DataFrame
    sums: RowSums
    written: WriteResult
    groups: int


@dataclass
class _Group:
    """Partitions that are written together: their rows, and all columns that the source delivered, declared or not."""

    rows: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    columns: set[str] = field(default_factory=set[str])

    @property
    def bytes(self) -> int:
        return sum(int(rows.estimated_size()) for rows in self.rows.values())


def ingest_partitions(
    scope: Scope, source: Source, windows: Windows, inputs: Sequence[pl.LazyFrame], materialized: Set[str]
) -> IngestedPartitions:
    """Reads the windows, and writes each group of them in one commit. A run that ends early keeps the groups before.

    Args:
        inputs: the whole tables that ``read`` gets.
        materialized: the partitions that were ingested before.

    Raises:
        LakeError: ``read`` failed, or returned no frame or rows of another window.
        UnknownSourceColumn: the data has columns that are new since the last run.
    """
    lake, table = scope.environment.lake, lake_table(scope, source)
    noted, columns = noted_columns(scope, table), set[str]()
    arrivals = _Arrivals(scope, source, materialized) if source.live else None
    first, sums, size, written = pl.DataFrame(), list[RowSums](), 0, WriteResult(0, changed=False, bytes=0)
    for group in _groups(source, windows, inputs, batch_bytes(scope.environment.shards.memory())):
        columns |= group.columns
        notes = notes_for(source) | check_new_columns(source, noted, columns)
        rows = arrivals.stamp(group.rows, dict(windows)) if arrivals is not None else group.rows
        partitions = [fresh.with_columns(partition=pl.lit(name)) for name, fresh in rows.items()]
        frame = pl.concat([partition.sort(source.event_time) for partition in partitions])
        written = lake.write_partitions(table, frame, list(rows), notes=notes)
        first, size = frame if not sums else first, size + written.bytes
        sums.append(row_sums(frame))
    return IngestedPartitions(first, reduce(add, sums), replace(written, bytes=size), len(sums))


def _groups(source: Source, windows: Windows, inputs: Sequence[pl.LazyFrame], most_bytes: int) -> Iterator[_Group]:
    group = _Group()
    for partition, window in windows:
        raw = _read(source, window, inputs)
        group.rows[partition] = _declared(source, window, raw)
        group.columns |= set(raw.collect_schema().names())
        if group.bytes >= most_bytes:
            yield group
            group = _Group()
    if group.rows:
        yield group


def _read(source: Source, window: Window, inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """What the source's ``read`` returns for one window. Raises LakeError if that is no frame."""
    with _read_errors(source, window):
        rows = source.read(window, *inputs)  # type: ignore[misc]  # only a source with read is ingested
    if not isinstance(rows, pl.DataFrame | pl.LazyFrame):
        raise LakeError(f"{source.where}: read returned a {type(rows).__name__}. Return a Polars frame.")
    return rows.lazy()


def _declared(source: Source, window: Window, rows: pl.LazyFrame) -> pl.DataFrame:
    """The declared columns. Raises LakeError if a row belongs to another window."""
    with _read_errors(source, window):
        declared = as_declared(source, rows).collect()
    outside = declared.filter(~pl.col("known_at").is_between(window.start, window.end))
    if outside.height:
        example = outside["known_at"][0]
        raise LakeError(
            f"{source.where}: read({window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}) returned {outside.height} of "
            f"{declared.height} rows that became known outside of that window, for example at {example}. They would "
            f"count once for each window. Return the window's rows only: write {_condition(source)}."
        )
    return declared.select(list(source.columns))


def _condition(source: Source) -> str:
    """The filter that keeps the rows of a window."""
    if source.known_at is None and source.delay is not None:
        return f"filter(window.holds({source.event_time!r}, delay={source.delay!r}))"
    return f"filter(window.holds({source.known_at or source.event_time!r}))"


@contextlib.contextmanager
def _read_errors(source: Source, window: Window) -> Iterator[None]:
    """Turns a Polars error in a source's ``read`` into a LakeError, with the fix of the most frequent mistake."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        times = f" A window's times are in UTC: write filter(window.holds({source.event_time!r}))."
        raise LakeError(
            f"{source.where}: read({window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}) cannot be computed: {reason}."
            f"{times if 'Datetime' in reason else ''}"
        ) from error


class _Arrivals:
    """Adds to a live source's rows the time of ingestion, if that bounds when they were known."""

    def __init__(self, scope: Scope, source: Source, materialized: Set[str]) -> None:
        self._lake, self._table = scope.environment.lake, lake_table(scope, source)
        self._source, self._now = source, scope.environment.now()
        # As it was before the run: its first write creates the table.
        self._created: datetime | None = self._lake.created(self._table)
        self._before = materialized | self._lake.partitions(self._table)

    def stamp(self, fresh: dict[str, pl.DataFrame], windows: dict[str, Window]) -> dict[str, pl.DataFrame]:
        """The rows of each partition, with ``ingested_at`` and ``withdrawn_at``."""
        known = self._lake.partitions(self._table) & fresh.keys()
        stored = self._lake.scan(self._table) if known else pl.LazyFrame(schema={"partition": pl.String})
        stamped: dict[str, pl.DataFrame] = {}
        for partition, rows in fresh.items():
            before = stored.filter(pl.col("partition") == partition).drop("partition").collect()
            bounds = partition in self._before or self._is_overdue(windows[partition])
            stamped[partition] = stamp_arrivals(rows, before, Arrival(self._now, bounds=bounds))
        return stamped

    def _is_overdue(self, window: Window) -> bool:
        late = self._now > window.end + duration(self._source.every)
        return self._created is not None and self._created < window.end and late
