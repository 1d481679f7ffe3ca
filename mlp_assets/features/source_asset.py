"""Source -> an asset that ingests one partition at a time, or a spec of a table that someone else writes."""

import contextlib
from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.completeness import check_ingested
from mlp_assets.features.new_columns import check_new_columns
from mlp_assets.features.source_rows import lake_table, source_rows, source_table, source_versions
from mlp_assets.features.table_notes import check_grid, notes_for
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import column_schema, measured, table_metadata
from mlp_assets.orchestration.partitions import BY_PARTITION, Windows, input_dep, partitions_of, windows_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.arrivals import Arrival, stamp_arrivals
from mlp_assets.tables.digest import canonical_digest
from mlp_assets.tables.events import as_declared


def source_asset(scope: Scope, source: Source) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of a source: ingested by the project, or written by someone else and read in place."""
    return _ingested(scope, source) if source.ingested else _external(scope, source)


def _external(scope: Scope, source: Source) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.source(scope.home(source), source),
        group_name=scope.project.name,
        owners=[source.owner or scope.project.owner],
        kinds={"deltalake" if source.delta else "parquet"},
        description=source.description or f"The table {source.name}.",
        metadata={
            "location": source.delta or source.parquet or "",
            "dagster/column_schema": column_schema(source.columns),
        },
    )


def _ingested(scope: Scope, source: Source) -> dg.AssetsDefinition:
    key = keys.source(scope.home(source), source)

    @scope.asset(
        key=key,
        deps=[input_dep(keys.source(scope.home(other), other), other) for other in source.inputs],
        partitions_def=partitions_of(source, source.every),
        backfill_policy=BY_PARTITION,
        spec=source,
        kinds=["polars", "deltalake"],
        what=f"Rows of {source.name}, ingested as they become known.",
        functions=[source.read],
    )
    def ingest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        def materialized(rows: ViewInput) -> set[str]:
            return context.instance.get_materialized_partitions(keys.view_input(scope.home(rows), rows))

        with measured() as cost:
            windows = windows_of(context)
            check_grid(scope, source, keys.table(key))
            check_ingested(scope, source.inputs, windows, materialized)
            versions = source_versions(scope, source.inputs)
            inputs = [source_rows(scope, other, versions[str(source_table(scope, other))]) for other in source.inputs]
            raw = {partition: _read(source, window, inputs) for partition, window in windows}
            fresh = {partition: _declared(source, window, raw[partition]) for partition, window in windows}
            columns = [name for rows in raw.values() for name in rows.collect_schema().names()]
            notes = notes_for(source) | check_new_columns(scope, source, keys.table(key), columns)
            if source.live:
                fresh = _stamp(scope, source, fresh, windows, materialized(source))
            partitions = [rows.with_columns(partition=pl.lit(partition)) for partition, rows in fresh.items()]
            frame = pl.concat([rows.sort(source.event_time) for rows in partitions])
            written = scope.environment.lake.write_partitions(keys.table(key), frame, list(fresh), notes=notes)
        return dg.MaterializeResult(
            metadata=table_metadata(frame, written, versions) | cost.shown,
            data_version=dg.DataVersion(canonical_digest(frame)[:16]),
        )

    return ingest


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


def _stamp(
    scope: Scope, source: Source, fresh: dict[str, pl.DataFrame], windows: Windows, materialized: set[str]
) -> dict[str, pl.DataFrame]:
    """Adds to a live source's rows the time of ingestion, if that bounds when they were known."""
    lake, table = scope.environment.lake, lake_table(scope, source)
    created, written, now = lake.created(table), lake.partitions(table), scope.environment.now()
    stored = lake.scan(table) if written & fresh.keys() else pl.LazyFrame(schema={"partition": pl.String})
    stamped: dict[str, pl.DataFrame] = {}
    for partition, window in windows:
        before = stored.filter(pl.col("partition") == partition).drop("partition").collect()
        again = partition in materialized or partition in written
        overdue = created is not None and created < window.end and now > window.end + duration(source.every)
        stamped[partition] = stamp_arrivals(fresh[partition], before, Arrival(now, bounds=again or overdue))
    return stamped
