"""Reads the partitions of a source and writes them, in groups that fit in memory."""

import contextlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import time
from functools import reduce
from operator import add

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.moments.arrival_bounds import Arrivals
from mlp_assets.features.moments.held_moments import held_moments
from mlp_assets.features.moments.passed_steps import next_ingestion, passed_windows
from mlp_assets.features.new_columns import check_new_columns, noted_columns
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import notes_for
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.events import as_declared
from mlp_assets.tables.memory import batch_bytes
from mlp_resources.ports.lake import Transaction, WriteResult

_ATTEMPTS = 8


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
    for _ in range(_ATTEMPTS):
        ingested = _ingest(scope, source, windows, inputs, materialized)
        if ingested is not None:
            return ingested
    raise LakeError(
        f"Table {lake_table(scope, source)}: other runs wrote it during each of {_ATTEMPTS} attempts. Run this again "
        "when they are done."
    )


def _ingest(
    scope: Scope, source: Source, windows: Windows, inputs: Sequence[pl.LazyFrame], materialized: Set[str]
) -> IngestedPartitions | None:
    """Like ``ingest_partitions``; None if another run has ingested steps of the days meanwhile."""
    lake, table = scope.environment.lake, lake_table(scope, source)
    noted, columns, mark = noted_columns(scope, table), set[str](), next_ingestion(scope, source)
    before = materialized | lake.partitions(table)
    held = held_moments(scope, source, before, lake.version(table))
    passed = passed_windows(source, windows, held, scope.environment.now())
    arrivals = Arrivals(scope, source, before, held.times) if source.live else None
    first, sums, size, written = pl.DataFrame(), list[RowSums](), 0, WriteResult(0, changed=False, bytes=0)
    for group in _groups(source, passed, inputs, batch_bytes(scope.environment.shards.memory())):
        columns |= group.columns or noted or set(source.columns)
        held = held.with_steps(source, [window for name, window in passed if name in group.rows])
        notes = notes_for(source) | check_new_columns(source, noted, columns) | held.to_notes(source)
        rows = arrivals.stamp(group.rows, dict(passed)) if arrivals is not None else group.rows
        partitions = [fresh.with_columns(partition=pl.lit(name)) for name, fresh in rows.items()]
        frame = pl.concat([partition.sort(source.event_time) for partition in partitions])
        written = lake.write_partitions(table, frame, list(rows), mark, notes=notes)
        if not written.changed:
            return None
        mark = Transaction(mark.application, mark.number + 1, mark.number) if mark is not None else None
        first, size = frame if not sums else first, size + written.bytes
        sums.append(row_sums(frame))
    return IngestedPartitions(first, reduce(add, sums), replace(written, bytes=size), len(sums))


def _groups(source: Source, windows: Windows, inputs: Sequence[pl.LazyFrame], most_bytes: int) -> Iterator[_Group]:
    group = _Group()
    for partition, window in windows:
        if window.start == window.end:  # no step of today has ended yet
            nothing = pl.LazyFrame(schema=dict(source.columns))
            group.rows[partition] = as_declared(source, nothing).select(list(source.columns)).collect()
            continue
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
            f"{source.where}: read({_written(window)}) returned {outside.height} of "
            f"{declared.height} rows that became known outside of that window, for example at {example}. They would "
            f"count once for each window. Return the window's rows only: write {_condition(source)}."
        )
    return declared.select(list(source.columns))


def _written(window: Window) -> str:
    midnights = window.start.time() == window.end.time() == time()
    form = "%Y-%m-%d" if midnights else "%Y-%m-%d %H:%M"
    return f"{window.start:{form}} to {window.end:{form}}"


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
            f"{source.where}: read({_written(window)}) cannot be computed: {reason}."
            f"{times if 'Datetime' in reason else ''}"
        ) from error
