"""Reads the rows of sources and views: from the lake, or from the location that a source names."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.parquet_rows import scan_years
from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import as_declared, as_events
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Table


def event_rows(scope: Scope, rows: ViewInput, version: int | None = None) -> pl.LazyFrame:
    """The events that a view aggregates, as ``as_events`` returns them."""
    if (
        isinstance(rows, Source)
        and rows.ingested
        and version is None
        and scope.environment.lake.version(lake_table(scope, rows)) is None
    ):
        return as_events(rows, pl.LazyFrame(schema=dict(rows.columns)))  # its first partition has not ended yet
    if isinstance(rows, Source):
        return as_events(rows, raw_rows(scope, rows, version))
    return as_events(rows, scope.environment.lake.scan(lake_table(scope, rows), version))


def source_rows(scope: Scope, source: Source, version: int | None = None) -> pl.LazyFrame:
    """The declared columns of a source and ``known_at``; ``partition`` is left out."""
    return as_declared(source, raw_rows(scope, source, version))


def raw_rows(scope: Scope, source: Source, version: int | None = None) -> pl.LazyFrame:
    """All columns of a source's table, declared or not. Raises LakeError if its Parquet cannot be read."""
    if source.parquet is None:
        return scope.environment.lake.scan(source_table(scope, source), version)
    try:
        rows = scan_years(source.parquet, source.columns)
        rows.collect_schema()
    except (OSError, pl.exceptions.ComputeError) as error:
        raise LakeError(f"{source.where}: its Parquet at {source.parquet} cannot be read: {error}") from error
    return rows


def lake_table(scope: Scope, rows: ViewInput) -> Table:
    """The table that the platform writes for a source or view."""
    named = tables.source if isinstance(rows, Source) else tables.features
    return named(scope.home(rows), rows.name)


def source_table(scope: Scope, rows: ViewInput) -> Table | str:
    """The table that holds the rows: one of the lake, or the location of an external source."""
    external = rows.delta or rows.parquet if isinstance(rows, Source) else None
    return external or lake_table(scope, rows)


def source_versions(scope: Scope, sources: Sequence[ViewInput]) -> dict[str, int | None]:
    """Table or location -> the newest Delta version; None for Parquet, which has no versions."""
    lake = scope.environment.lake
    read = [(source_table(scope, rows), getattr(rows, "parquet", None) is not None) for rows in sources]
    return {str(table): None if parquet else lake.version(table) for table, parquet in read}
