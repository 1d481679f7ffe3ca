"""The rows of sources and views, wherever they lie; and the asset of a table that someone else writes."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import column_schema
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import as_declared, as_events
from mlp_resources.ports.lake import Table


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


def event_rows(scope: Scope, rows: ViewInput, version: int | None = None) -> pl.LazyFrame:
    """What a view aggregates, as the engine takes it: of a source, or of the table of another view."""
    if isinstance(rows, Source):
        return as_events(rows, raw_rows(scope, rows, version))
    return as_events(rows, scope.environment.lake.scan(keys.table(rows_key(scope, rows)), version))


def rows_key(scope: Scope, rows: ViewInput) -> dg.AssetKey:
    """The asset of a source, or of a view that is one."""
    if isinstance(rows, Source):
        return keys.source(scope.home(rows), rows)
    return keys.features(scope.home(rows), rows)


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


def source_table(scope: Scope, rows: ViewInput) -> Table | str:
    """Where its rows lie: a table of the lake, or the location that the source names."""
    elsewhere = rows.delta or rows.parquet if isinstance(rows, Source) else None
    return elsewhere or keys.table(rows_key(scope, rows))


def source_versions(scope: Scope, sources: Sequence[ViewInput]) -> dict[str, int | None]:
    """Table or location -> Delta version of each source, now; None for Parquet, which has none."""
    lake = scope.environment.lake
    tables = [(source_table(scope, rows), getattr(rows, "parquet", None) is not None) for rows in sources]
    return {str(table): None if parquet else lake.version(table) for table, parquet in tables}
