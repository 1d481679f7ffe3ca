"""The rows of a source, or of a view, as events: declared columns in their declared types, and when each was known."""

from datetime import timedelta

import polars as pl

from mlp_assets.errors import UnknownSourceColumn
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import DataType, Source

UTC_TIME = pl.Datetime("us", "UTC")
# Columns that ingestion adds to a live source's table: when a row came later than it should have, and when it was gone.
INGESTED, WITHDRAWN = "ingested_at", "withdrawn_at"


def as_declared(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The declared columns of a source's frame in their declared types, plus ``known_at``; times in UTC.

    A live source's table holds the times of ingestion too: they bound ``known_at``, and ``withdrawn_at`` is kept.

    Raises:
        UnknownSourceColumn: a declared column is missing, or cannot be of its declared type.
    """
    _check_declared(source)
    schema = frame.collect_schema()
    missing = [column for column in source.columns if column not in schema]
    if missing:
        hints = " ".join(f"{column!r} is missing. {did_you_mean(column, schema.names())}" for column in missing)
        raise UnknownSourceColumn(f"{source.where}: its data does not have the columns that it declares: {hints}")
    stamps = [stamp for stamp in (INGESTED, WITHDRAWN) if source.live and stamp in schema]
    selected = frame.select(*(_typed(source, column, schema[column]) for column in source.columns), *stamps)
    known = source.known_expression()
    if stamps:
        return selected.with_columns(known_at=pl.max_horizontal(known, INGESTED)).drop(INGESTED)
    return selected.with_columns(known_at=known)


def _check_declared(source: Source) -> None:
    for column, wanted in source.columns.items():
        if not _is_polars_type(wanted):
            raise UnknownSourceColumn(
                f"{source.where}: column {column!r} is declared as {wanted!r}, which is no Polars type. "
                f"Write columns={{{column!r}: pl.Int64}}, say."
            )
    for role, column in (("event_time", source.event_time), ("known_at", source.known_at)):
        declared = source.columns.get(column) if column is not None else None
        if declared is not None and declared != pl.Datetime:
            raise UnknownSourceColumn(
                f"{source.where}: {role}={column!r} is declared as {declared}, which does not say when. "
                f"Write columns={{{column!r}: pl.Datetime}}, and make it a time in the data."
            )


def _is_polars_type(declared: object) -> bool:
    return isinstance(declared, pl.DataType) or (isinstance(declared, type) and issubclass(declared, pl.DataType))


def _typed(source: Source, column: str, found: pl.DataType) -> pl.Expr:
    wanted = source.columns[column]
    expression = pl.col(column)
    if wanted == pl.Datetime:
        if isinstance(found, pl.Datetime) and found.time_zone is not None:
            return expression.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
        if found == pl.Date or isinstance(found, pl.Datetime):
            return expression.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif wanted == found or (wanted.is_numeric() and found.is_numeric() and not _cuts(found, wanted)):
        return expression.cast(wanted)
    what = f"{source.where}: column {column!r} is declared as {wanted} but its data holds {found}."
    if column in (source.event_time, source.known_at):
        raise UnknownSourceColumn(f"{what} It says when a row happened or became known: make it a time in the data.")
    raise UnknownSourceColumn(
        f"{what} Write columns={{{column!r}: pl.{found.base_type().__name__}}}, or mend the data."
    )


def _cuts(found: pl.DataType, wanted: DataType) -> bool:
    """Whether a cast would silently lose what stands behind the decimal point."""
    return wanted.is_integer() and not found.is_integer()


def as_events(rows_of: Source | FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    """What a view aggregates: the columns of its source, ``known_at``, ``withdrawn_at`` and ``late``.

    ``late`` tells a row that became known later than its source says rows do; ``withdrawn_at``, when it ceased to be
    believed (null: never). The rows of another view happened a microsecond before the moment at which their windows
    end, and a version of a row is withdrawn when the next one is known.
    """
    if isinstance(rows_of, FeatureView):
        return _feature_events(rows_of, frame)
    declared = as_declared(rows_of, frame)
    late = pl.col("known_at") > pl.col(rows_of.event_time) + rows_of.delay_length
    gone = pl.col(WITHDRAWN) if WITHDRAWN in declared.collect_schema() else pl.lit(None, dtype=UTC_TIME)
    return declared.with_columns(gone.alias(WITHDRAWN), late=late if rows_of.versioned else pl.lit(False))


def _feature_events(view: FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    row = [*view.entity.keys, "event_time"]
    ordered = frame.sort(*row, "known_at")
    return ordered.select(
        *view.entity.keys,
        pl.col("event_time") - timedelta(microseconds=1),
        *view.feature_names,
        "known_at",
        pl.col("known_at").shift(-1).over(row).alias(WITHDRAWN),
        late=pl.col("known_at") > pl.col("event_time"),
    )
