"""FeatureView -> a partitioned Delta table."""

from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import dagster as dg
import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.completeness import check_ingested
from mlp_assets.features.feature_batches import PieceWork, pieces_of
from mlp_assets.features.feature_facts import described_columns, shown_statistics
from mlp_assets.features.late_changes import touched_windows
from mlp_assets.features.new_columns import check_new_columns
from mlp_assets.features.source_rows import event_rows, raw_rows, rows_key, source_table, source_versions
from mlp_assets.features.table_notes import check_grid, notes_for
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.lineage import source_columns
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import column_lineage, measured, table_metadata
from mlp_assets.orchestration.partitions import BY_PARTITION, Windows, mapping_to_source, partitions_of, windows_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.memory import batch_bytes
from mlp_resources.ports.lake import Table, Transaction, Written

_ATTEMPTS = 8
_READ = "source"


@dataclass(frozen=True)
class Computed:
    """What a run wrote: the rows of its newest partition, what stands for all (by partition), the source's version, and
    the partitions of others that late data touched."""

    newest: pl.DataFrame
    sums: dict[str, RowSums]
    written: Written
    versions: dict[str, int | None]
    touched: Windows
    pieces: int

    @property
    def digest(self) -> str:
        return reduce(add, self.sums.values()).digest()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.sums.values())


def features_asset(scope: Scope, view: FeatureView) -> dg.AssetsDefinition:
    """The asset of a view's table: a partition holds the rows of the moment at which its window ends.

    A run computes its partitions, and those that are there already and that the source's changes since touch.
    """
    whole = isinstance(view.source, Source) and not view.source.ingested
    key = keys.features(scope.project.name, view)

    @scope.asset(
        key=key,
        deps=[dg.AssetDep(rows_key(scope, view.source), partition_mapping=None if whole else mapping_to_source(view))],
        partitions_def=partitions_of(view.root, view.every),
        backfill_policy=BY_PARTITION,
        spec=view,
        kinds=["polars", "deltalake"],
        what=f"Features of {view.entity.name}.",
        functions=[view.derive],
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            windows = windows_of(context)
            check_ingested(context, scope, [view.source], windows)
            made = computed(scope, view, windows, context.instance.get_materialized_partitions(key))
            told = shown_statistics(scope, view, made.newest, made.written)
        shown = told | table_metadata(made.newest, made.written, made.versions)
        for name, _ in made.touched:
            again = {"dagster/row_count": made.sums[name].rows, "delta_version": made.written.version}
            version = {"dagster/data_version": made.sums[name].digest()[:16]}
            context.log_event(dg.AssetMaterialization(key, partition=name, metadata=again, tags=version))
        return dg.MaterializeResult(
            metadata=shown
            | cost.shown
            | {
                "dagster/column_schema": described_columns(view, made.newest.schema),
                "dagster/column_lineage": lineage(scope, view),
                "dagster/row_count": made.rows,
                "pieces": made.pieces,
                "touched_by_late_data": dg.MetadataValue.json([name for name, _ in made.touched]),
            },
            data_version=dg.DataVersion(made.digest[:16]),
        )

    return compute


def computed(scope: Scope, view: FeatureView, windows: Windows, there: set[str]) -> Computed:
    """Writes the partitions of the windows, and those of ``there`` that the source's news since the last run touch.

    All partitions of the table follow from the version of the source that the write records. A write that finds that
    another run recorded one meanwhile does nothing; then all is computed again.

    Raises:
        LakeError: other runs came between too often, or the table's partitions begin on other days.
    """
    lake, table = scope.environment.lake, keys.table(keys.features(scope.project.name, view))
    check_grid(scope, view, table)
    for _ in range(_ATTEMPTS):
        versions = source_versions(scope, [view.source])
        version = versions[str(source_table(scope, view.source))]
        before = lake.transaction(table, _READ) or 0
        touched = touched_windows(scope, view, before - 1, version, there - {name for name, _ in windows})
        notes = notes_for(view) | _contract(scope, view, table, version)
        made = _written(scope, view, [*windows, *touched], version, before, notes)
        if made is not None:
            newest, sums, written, pieces = made
            return Computed(newest, sums, written, versions, touched, pieces)
    raise LakeError(f"Table {table}: other runs came between {_ATTEMPTS} times. Run it again when they are done.")


def _written(
    scope: Scope, view: FeatureView, windows: Windows, version: int | None, before: int, notes: dict[str, str]
) -> tuple[pl.DataFrame, dict[str, RowSums], Written, int] | None:
    """Computes and writes piece by piece; None when another run has recorded another version of the source.

    The version is recorded with the last piece: a run that ends before leaves what it has touched to the next.
    """
    lake, table = scope.environment.lake, keys.table(keys.features(scope.project.name, view))
    runner, events = scope.environment.shards, event_rows(scope, view.source, version)
    pieces = pieces_of(view, events, windows, batch_bytes(runner.memory()))
    sums: dict[str, RowSums] = {}
    frame, written, size = pl.DataFrame(), Written(0, changed=False, bytes=0), 0
    for number, frame in enumerate(runner.each(PieceWork(view, events), pieces), 1):
        after = before if number < len(pieces) or version is None else version + 1
        mark = Transaction(_READ, after, before) if version is not None else None
        names = [name for name, _ in pieces[number - 1].windows]
        written = lake.write_partitions(table, frame, names, mark, notes)
        if not written.changed:
            return None
        size += written.bytes
        rows = frame.partition_by("partition", as_dict=True)
        sums |= {name: row_sums(rows.get((name,), frame.clear())) for name in names}
    newest = frame.filter(pl.col("partition") == pieces[-1].windows[-1][0])
    return newest, sums, replace(written, bytes=size), len(pieces)


def _contract(scope: Scope, view: FeatureView, table: Table, version: int | None) -> dict[str, str]:
    """What was found of somebody else's columns; a table of ours has those that we wrote."""
    if isinstance(view.source, FeatureView) or view.source.ingested:
        return {}
    found = raw_rows(scope, view.source, version).collect_schema().names()
    return check_new_columns(scope, view.source, table, found)


def lineage(scope: Scope, view: FeatureView) -> dg.TableColumnLineage:
    """Each feature's source columns, read from the aggregations and expressions."""
    source_key = rows_key(scope, view.source)
    columns = source_columns(view) | {key: (key,) for key in view.entity.keys}
    return column_lineage({name: [(source_key, c) for c in found] for name, found in columns.items()})
