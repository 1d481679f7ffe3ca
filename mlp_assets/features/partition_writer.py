"""Computes partitions of a view and writes them, with those that late data touched, in memory-sized batches."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.definitions.view_definition import next_definition, record_document
from mlp_assets.features.feature_batches import BatchWork, batches_of
from mlp_assets.features.moments.changed_moments import changed_from_note
from mlp_assets.features.moments.held_moments import held_moments
from mlp_assets.features.moments.kept_rows import with_kept_rows
from mlp_assets.features.moments.late_changes import changed_times
from mlp_assets.features.moments.moments_to_compute import MomentPlanner, PartitionMoments
from mlp_assets.features.new_columns import check_new_columns, noted_columns
from mlp_assets.features.source_rows import event_rows, lake_table, raw_rows, source_table, source_versions
from mlp_assets.features.table_notes import check_grid, notes_for
from mlp_assets.features.table_progress import progress_after
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import read_progress
from mlp_assets.tables.digest import RowSums, row_sums, row_sums_by
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
    touched: tuple[str, ...]
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
    version recorded than it began with changes nothing, and the computation starts over. If the view's definition has
    changed, all its partitions are computed again.

    Args:
        materialized: the view's partitions that were computed before.
        ingested: the source's partitions that were ingested, or computed, before.

    Raises:
        LakeError: other runs interfered too often, or the table's partitions begin on other days.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    check_grid(scope, view, table)
    for _ in range(_ATTEMPTS):
        now, names = scope.environment.now(), ingested | _stored_partitions(scope, view.source)
        versions = source_versions(scope, [view.source])
        version, written = versions[str(source_table(scope, view.source))], lake.version(table)
        before = lake.transaction(table, SOURCE_READ) or 0
        held = held_moments(scope, view, materialized | lake.partitions(table), written)
        steps, change = _ingested_steps(scope, view.source, names, version), next_definition(scope, view, version)
        candidates = materialized | lake.partitions(table) if change.recompute else materialized
        others = candidates - {name for name, _ in windows}
        revised = written is not None and (bool(others) or Moments.of(view).shorter_than_a_day)
        planner = MomentPlanner(
            view=view,
            held=held,
            changed=changed_times(scope, view, before - 1, version) if version is not None and revised else None,
            ingested=steps,
            below=read_progress(lake, lake_table(scope, view.source), version),
            now=now,
            recompute=change.recompute,
        )
        touched = planner.touched(others)
        parts = [*planner.of_run(windows), *touched]
        after = planner.held_after(parts)
        changed = changed_from_note(planner.first_changed(parts))
        notes = notes_for(view) | _note_columns(scope, view, table, version) | change.after.to_notes()
        progress = progress_after(scope, view, after.times, steps, version, now)
        both = (lake.notes(table, written) or notes_for(view), notes | after.to_notes(view) | progress.to_notes())
        both = (both[0] | changed, both[1] | changed)
        record_document(scope, view, change.after)
        result = _write_batches(scope, view, parts, Versions(version, before, written), both)
        if result is not None:
            newest, sums, landed, batches = result
            return ComputedPartitions(newest, sums, landed, versions, tuple(part.name for part in touched), batches)
    raise LakeError(
        f"Table {table}: other runs wrote it during each of {_ATTEMPTS} attempts. Run this again when they are done."
    )


@dataclass(frozen=True)
class Versions:
    """What a computation follows from.

    Args:
        source: the version of the source; None for Parquet.
        recorded: the number that says which version of the source the table followed from.
        table: the version of the view's table.
    """

    source: int | None
    recorded: int
    table: int | None


def _write_batches(
    scope: Scope,
    view: FeatureView,
    parts: Sequence[PartitionMoments],
    versions: Versions,
    notes: tuple[dict[str, str], dict[str, str]],
) -> tuple[pl.DataFrame, dict[str, RowSums], WriteResult, int] | None:
    """Computes and writes batch by batch; None if another run has recorded another version of the source.

    Only the last batch records the version: if a run ends early, the next one finds the same partitions touched.

    Args:
        notes: to leave with all batches but the last, and with the last.
    """
    lake, table, before = scope.environment.lake, lake_table(scope, view), versions.recorded
    runner, events = scope.environment.shards, event_rows(scope, view.source, versions.source)
    batches = batches_of(view, events, parts, batch_bytes(runner.memory()))
    sums: dict[str, RowSums] = {}
    frame, written, size = pl.DataFrame(), WriteResult(versions.table or 0, changed=False, bytes=0), 0
    for number, computed in enumerate(runner.map(BatchWork(view, events), batches), 1):
        frame = with_kept_rows(scope, view, computed, batches[number - 1].parts, versions.table)
        if Moments.of(view).shorter_than_a_day and (lake.version(table) or 0) != written.version:
            return None  # another run has noted other moments meanwhile
        last = number == len(batches)
        after = versions.source + 1 if last and versions.source is not None else before
        mark = Transaction(SOURCE_READ, after, before) if versions.source is not None else None
        names = [part.name for part in batches[number - 1].parts]
        written = lake.write_partitions(table, frame, names, mark, notes[last])
        if not written.changed:
            return None
        size += written.bytes
        sums |= dict.fromkeys(names, row_sums(frame.clear())) | row_sums_by(frame, "partition")
    newest = frame.filter(pl.col("partition") == batches[-1].parts[-1].name)
    return newest, sums, replace(written, bytes=size), len(batches)


def _ingested_steps(scope: Scope, rows: ViewInput, names: Set[str], version: int | None) -> pl.Series | None:
    """The ends of the steps that an ingested source holds; None for any other source."""
    ingested = isinstance(rows, Source) and rows.ingested
    return held_moments(scope, rows, names, version).times if ingested else None


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
