"""Source -> an external asset, or an asset that ingests one partition at a time."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.history import check_ingested
from mlp_assets.build.metadata import column_schema, measured, table_metadata
from mlp_assets.build.partitions import BY_PARTITION, partitions_of, windows_of
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.engine.windows import as_declared
from mlp_assets.spec.errors import LakeError
from mlp_assets.spec.source import Source, Window
from mlp_resources.ports import Table


def source_asset(scope: Scope, source: Source) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of a source."""
    key = keys.source(scope.home(source), source)
    if not source.ingested:
        return external_source(scope, source, key)

    @scope.asset(
        key=key,
        deps=[keys.source(scope.home(other), other) for other in source.inputs],
        partitions_def=partitions_of(source, source.every),
        backfill_policy=BY_PARTITION,
        spec=source,
        kinds=["polars", "deltalake"],
        what=f"Rows of {source.name}, ingested as they become known.",
        functions=[source.read],
    )
    def ingest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            windows = windows_of(context)
            check_ingested(context, scope, source.inputs, windows)
            versions = source_versions(scope, source.inputs)
            inputs = [source_rows(scope, other, versions[str(source_table(scope, other))]) for other in source.inputs]
            frame = pl.concat([_partition(source, key, window, inputs) for key, window in windows])
            written = scope.environment.lake.write_partitions(keys.table(key), frame, [name for name, _ in windows])
        return dg.MaterializeResult(
            metadata=table_metadata(frame, written, versions) | cost.shown,
            data_version=dg.DataVersion(canonical_digest(frame)[:16]),
        )

    return ingest


def external_source(scope: Scope, source: Source, key: dg.AssetKey) -> dg.AssetSpec:
    """The asset of a table that the project reads where it lies."""
    return dg.AssetSpec(
        key,
        group_name=scope.project.name,
        owners=[source.owner or scope.project.owner],
        kinds={"deltalake" if source.delta else "parquet"},
        description=source.description or f"The table {source.name}.",
        metadata={
            "location": source.delta or source.parquet or "",
            "dagster/column_schema": column_schema(source.columns),
        },
    )


def source_rows(scope: Scope, source: Source, version: int | None = None) -> pl.LazyFrame:
    """The declared columns of a source's table, plus ``known_at`` (and ``partition`` is dropped)."""
    return as_declared(source, raw_rows(scope, source, version))


def raw_rows(scope: Scope, source: Source, version: int | None = None) -> pl.LazyFrame:
    if source.parquet is None:
        return scope.environment.lake.scan(source_table(scope, source), version)
    rows = pl.scan_parquet(source.parquet)
    try:
        rows.collect_schema()
    except (OSError, pl.exceptions.ComputeError) as error:
        raise LakeError(f"{source.where}: its Parquet at {source.parquet} cannot be read: {error}") from error
    return rows


def source_table(scope: Scope, source: Source) -> Table | str:
    """Where its rows lie: a table of the lake, or the location that the source names."""
    return source.delta or source.parquet or keys.table(keys.source(scope.home(source), source))


def source_versions(scope: Scope, sources: Sequence[Source]) -> dict[str, int | None]:
    """Table or location -> Delta version of each source, now; None for Parquet, which has none."""
    lake = scope.environment.lake
    tables = [(source_table(scope, source), source.parquet is not None) for source in sources]
    return {str(table): None if parquet else lake.version(table) for table, parquet in tables}


def _partition(source: Source, partition: str, window: Window, inputs: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """The rows of one window. Raises LakeError for what is no frame, and for rows of another window."""
    rows = source.read(window, *inputs)  # type: ignore[misc]  # only a source with read is ingested
    if not isinstance(rows, pl.DataFrame | pl.LazyFrame):
        raise LakeError(f"{source.where}: read returned a {type(rows).__name__}. Return a Polars frame.")
    declared = as_declared(source, rows.lazy()).collect()
    outside = declared.filter(~pl.col("known_at").is_between(window.start, window.end))
    if outside.height:
        example = outside["known_at"][0]
        raise LakeError(
            f"{source.where}: read({window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}) returned {outside.height} of "
            f"{declared.height} rows that became known outside of that window, at {example} for one. Return the "
            "window's rows only, or they count once for each window."
        )
    return declared.select(list(source.columns)).with_columns(partition=pl.lit(partition)).sort(source.event_time)
