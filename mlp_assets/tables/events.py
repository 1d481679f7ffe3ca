"""Events: the rows of a source or view in their declared types, and when each was known."""

from datetime import timedelta

import polars as pl

from mlp_assets.errors import UnknownSourceColumn
from mlp_assets.nouns.checks.held_types import held_type
from mlp_assets.nouns.checks.texts import did_you_mean, duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import UTC_TIME, DataType, Source
from mlp_assets.tables.standing_rows import written_out

_MICROSECOND = timedelta(microseconds=1)
# Columns that ingestion adds to a live source's table: when a late row arrived, and when a row was withdrawn.
INGESTED, WITHDRAWN = "ingested_at", "withdrawn_at"
# Columns of events alone: whether a row became known later than its source declares, and when that says it was known.
LATE, DECLARED = "__late", "__declared_at"


def as_declared(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The declared columns of a source's frame in their declared types, and ``known_at``; times in UTC.

    The table of a live source also holds the times of ingestion: they bound ``known_at``, and ``withdrawn_at`` is kept.

    Raises:
        UnknownSourceColumn: a declared column is missing, or cannot be cast to its declared type.
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
                f"Write for example columns={{{column!r}: pl.Int64}}."
            )
    for role, column in (("event_time", source.event_time), ("known_at", source.known_at)):
        declared = source.columns.get(column) if column is not None else None
        if declared is not None and declared != pl.Datetime:
            raise UnknownSourceColumn(
                f"{source.where}: {role}={column!r} is declared as {declared}, which is not a time. "
                f"Write columns={{{column!r}: pl.Datetime}}, and make it a time in the data."
            )


def _is_polars_type(declared: object) -> bool:
    return isinstance(declared, pl.DataType) or (isinstance(declared, type) and issubclass(declared, pl.DataType))


def _typed(source: Source, column: str, stored: pl.DataType) -> pl.Expr:
    wanted = source.columns[column]
    expression = pl.col(column)
    if wanted == pl.Datetime:
        if isinstance(stored, pl.Datetime) and stored.time_zone is not None:
            return expression.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
        if stored == pl.Date or isinstance(stored, pl.Datetime):
            return expression.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif wanted == stored or _fits(stored, wanted):
        return expression.cast(wanted)
    problem = f"{source.where}: column {column!r} is declared as {wanted} but its data holds {stored}."
    if column in (source.event_time, source.known_at):
        raise UnknownSourceColumn(f"{problem} It says when a row happened or became known: make it a time in the data.")
    raise UnknownSourceColumn(
        f"{problem} Write columns={{{column!r}: pl.{stored.base_type().__name__}}}, or fix the data."
    )


def _fits(stored: pl.DataType, wanted: DataType) -> bool:
    """Whether a column can be held in the wanted type without losing what it says."""
    if stored == pl.Null or held_type(stored) == wanted:
        return True
    return wanted.is_numeric() and stored.is_numeric() and not _truncates(stored, wanted)


def _truncates(stored: pl.DataType, wanted: DataType) -> bool:
    """Whether a cast would silently drop decimals."""
    return wanted.is_integer() and not stored.is_integer()


def as_events(source: Source | FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The events that a view aggregates: the source's columns, and when each was known.

    ``known_at`` is when the platform could have the row, ``__declared_at`` when its source says that it was known.
    ``__late`` marks rows that became known later than the source declares. ``withdrawn_at`` is when a row stopped being
    valid, or null. Rows of another view happened a microsecond before the moment at which their windows end, and a
    version of such a row is withdrawn when the next version becomes known.

    Args:
        frame: the rows of the source's or view's table.
    """
    if isinstance(source, FeatureView):
        return _feature_events(source, frame)
    declared = as_declared(source, frame)
    late = pl.col("known_at") > pl.col(source.event_time) + source.delay_length
    withdrawn = pl.col(WITHDRAWN) if WITHDRAWN in declared.collect_schema() else pl.lit(None, dtype=UTC_TIME)
    return declared.with_columns(
        withdrawn.alias(WITHDRAWN),
        (late if source.versioned else pl.lit(False)).alias(LATE),
        pl.col("known_at").alias(DECLARED),
        known_at=_arrived(source, late) if source.ingested else pl.col("known_at"),
    )


def _arrived(source: Source, late: pl.Expr) -> pl.Expr:
    """When a row of an ingested source was known and could be in its table.

    A late row that a live source ingests on schedule arrives when its partition ends. By the time at which it became
    known, it would come before rows that were ingested again meanwhile: feature rows would hold what was not served.
    Any other row known exactly when a partition begins counts from a microsecond later: the partition that ends then,
    which a feature row of that moment reads, does not bring it.
    """
    known, length = pl.col("known_at"), duration(source.every) // _MICROSECOND
    start = pl.lit(moment(source.start)).cast(UTC_TIME)
    since = (known - start).dt.total_microseconds()
    on_time = pl.when(since % length == 0).then(known + _MICROSECOND).otherwise(known)
    if not source.live:
        return on_time
    end = start + pl.duration(microseconds=(since // length + 1) * length)
    stamped = known > source.known_expression()
    return pl.when(late & ~stamped).then(end).when(stamped).then(known).otherwise(on_time)


def _feature_events(view: FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    row = [*view.entity.keys, "event_time"]
    ordered = written_out(frame, duration(view.every)).sort(*row, "known_at")
    return ordered.select(
        *view.entity.keys,
        pl.col("event_time") - _MICROSECOND,
        *view.feature_names,
        "known_at",
        pl.col("known_at").shift(-1).over(row).alias(WITHDRAWN),
        (pl.col("known_at") > pl.col("event_time")).alias(LATE),
        pl.col("known_at").alias(DECLARED),
    )
