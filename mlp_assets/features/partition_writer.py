"""Computes partitions of a view and writes them, with those that late data touched, in memory-sized batches."""

from collections.abc import Set
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.feature_batches import BatchWork, batches_of
from mlp_assets.features.late_changes import touched_windows
from mlp_assets.features.new_columns import check_new_columns, noted_columns
from mlp_assets.features.source_rows import event_rows, lake_table, raw_rows, source_table, source_versions
from mlp_assets.features.table_notes import check_grid, notes_for
from mlp_assets.features.table_progress import progress_after
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import read_progress
from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.memory import batch_bytes
from mlp_resources.ports.lake import Table, Transaction, WriteResult

_ATTEMPTS = 8
SOURCE_READ = "source"  # the application whose transactions say which version of the source a table follows from


@dataclass(frozen=True)
class ComputedPartitions:
    """What a run wrote.

    Args:
        newest: the rows of the newest partition.
        sums: partition -> its part of the digest.
        versions: table or location -> the Delta version read.
        touched: earlier partitions that were recomputed because late data touched them.
    """

    newest: pl.DataFrame
    sums: dict[str, RowSums]
    written: WriteResult
    versions: dict[str, int | None]
    touched: Windows
    batches: int

    @property
    def digest(self) -> str:
        return reduce(add, self.sums.values()).digest()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.sums.values())


def compute_partitions(
    scope: Scope, view: FeatureView, windows: Windows, materialized: Set[str], ingested: Set[str] = frozenset()
) -> ComputedPartitions:
    """Writes the partitions of the windows, and the materialized ones that changes of the source touch.

    Every write records the source version that all partitions of the table now follow from. A write that finds another
    version recorded than it began with changes nothing, and the computation starts over.

    Args:
        materialized: the view's partitions that were computed before.
        ingested: the source's partitions that were ingested, or computed, before.

    Raises:
        LakeError: other runs interfered too often, or the table's partitions begin on other days.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    check_grid(scope, view, table)
    for _ in range(_ATTEMPTS):
        now, ingested = scope.environment.now(), ingested | _stored_partitions(scope, view.source)
        versions = source_versions(scope, [view.source])
        version = versions[str(source_table(scope, view.source))]
        before = lake.transaction(table, SOURCE_READ) or 0
        touched = touched_windows(scope, view, before - 1, version, set(materialized) - {name for name, _ in windows})
        computed = materialized | lake.partitions(table) | {name for name, _ in windows}
        progress = progress_after(scope, view, computed, ingested, version, now)
        earlier = read_progress(lake, table, lake.version(table))
        notes = notes_for(view) | _note_columns(scope, view, table, version)
        steps = (notes | (earlier.to_notes() if earlier is not None else {}), notes | progress.to_notes())
        result = _write_batches(scope, view, [*windows, *touched], version, before, steps)
        if result is not None:
            newest, sums, written, batches = result
            return ComputedPartitions(newest, sums, written, versions, touched, batches)
    raise LakeError(
        f"Table {table}: other runs wrote it during each of {_ATTEMPTS} attempts. Run this again when they are done."
    )


def _write_batches(
    scope: Scope,
    view: FeatureView,
    windows: Windows,
    version: int | None,
    before: int,
    notes: tuple[dict[str, str], dict[str, str]],
) -> tuple[pl.DataFrame, dict[str, RowSums], WriteResult, int] | None:
    """Computes and writes batch by batch; None if another run has recorded another version of the source.

    Only the last batch records the version: if a run ends early, the next one finds the same partitions touched.

    Args:
        notes: to leave with all batches but the last, and with the last.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    runner, events = scope.environment.shards, event_rows(scope, view.source, version)
    batches = batches_of(view, events, windows, batch_bytes(runner.memory()))
    sums: dict[str, RowSums] = {}
    frame, written, size = pl.DataFrame(), WriteResult(0, changed=False, bytes=0), 0
    for number, frame in enumerate(runner.map(BatchWork(view, events), batches), 1):
        after = before if number < len(batches) or version is None else version + 1
        mark = Transaction(SOURCE_READ, after, before) if version is not None else None
        names = [name for name, _ in batches[number - 1].windows]
        written = lake.write_partitions(table, frame, names, mark, notes[number == len(batches)])
        if not written.changed:
            return None
        size += written.bytes
        rows = frame.partition_by("partition", as_dict=True)
        sums |= {name: row_sums(rows.get((name,), frame.clear())) for name in names}
    newest = frame.filter(pl.col("partition") == batches[-1].windows[-1][0])
    return newest, sums, replace(written, bytes=size), len(batches)


def _stored_partitions(scope: Scope, rows: ViewInput) -> set[str]:
    """The partitions with rows in the table of an ingested source or a view."""
    written = isinstance(rows, FeatureView) or rows.ingested
    return scope.environment.lake.partitions(lake_table(scope, rows)) if written else set()


def _note_columns(scope: Scope, view: FeatureView, table: Table, version: int | None) -> dict[str, str]:
    """The note on an external source's columns. Ingestion checks those of our own sources."""
    if isinstance(view.source, FeatureView) or view.source.ingested:
        return {}
    columns = raw_rows(scope, view.source, version).collect_schema().names()
    return check_new_columns(view.source, noted_columns(scope, table), columns)
