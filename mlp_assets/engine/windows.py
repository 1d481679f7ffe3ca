"""Features of one moment: aggregations over trailing windows of the events that were known by then."""

from datetime import datetime, timedelta

import polars as pl

from mlp_assets.engine.derived import with_derived
from mlp_assets.spec.aggregation import Aggregation
from mlp_assets.spec.errors import UnknownSourceColumn
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.source import Source
from mlp_assets.spec.words import did_you_mean, duration

UTC_TIME = pl.Datetime("us", "UTC")
_CLOSING = "__closing"


def as_declared(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The declared columns of a source's frame in their declared types, plus ``known_at``; times in UTC.

    Raises:
        UnknownSourceColumn: a declared column is missing, or cannot be of its declared type.
    """
    _check_declared(source)
    schema = frame.collect_schema()
    missing = [column for column in source.columns if column not in schema]
    if missing:
        hints = " ".join(f"{column!r} is missing. {did_you_mean(column, schema.names())}" for column in missing)
        raise UnknownSourceColumn(f"{source.where}: its data does not have the columns that it declares: {hints}")
    selected = frame.select(_typed(source, column, schema[column]) for column in source.columns)
    return selected.with_columns(known_at=source.known_expression())


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
    elif wanted == found or (wanted.is_numeric() and found.is_numeric()):
        return expression.cast(wanted)
    what = f"{source.where}: column {column!r} is declared as {wanted} but its data holds {found}."
    if column in (source.event_time, source.known_at):
        raise UnknownSourceColumn(f"{what} It says when a row happened or became known: make it a time in the data.")
    raise UnknownSourceColumn(
        f"{what} Write columns={{{column!r}: pl.{found.base_type().__name__}}}, or mend the data."
    )


def reach(view: FeatureView) -> timedelta:
    """How far before its moment a feature row reads: the longest window, and one cadence for the closing row."""
    return view.lookback + duration(view.every)


def features_at(view: FeatureView, events: pl.LazyFrame, end: datetime) -> pl.DataFrame:
    """The feature rows of the moment ``end``.

    Args:
        view: what to compute.
        events: the source's rows as ``as_declared`` returns them.
        end: rows count that happened before, and were known at or before, this time.

    Returns:
        One row for each entity with an event in the view's longest window or one cadence before it: keys,
        ``event_time`` and ``known_at`` (both ``end``), and the features as finite Float64 or null; sorted by key. So an
        entity that goes quiet gets one closing row, without which its last one would stand in until the TTL. All its
        features are null: what an entity has follows from its windows alone, and one that was never seen has nothing
        either. Sums run over sorted rows in one fixed order, so a recomputation gives the same bits.
    """
    time = view.source.event_time
    keys = list(view.entity.keys)
    needed = dict.fromkeys([*keys, time, *(c for f in view.features.values() for c in f.columns)])
    recent = (
        events.filter(pl.col(time) >= end - reach(view), pl.col(time) < end, pl.col("known_at") <= end)
        .filter(*(pl.col(key).is_not_null() for key in keys))
        .select(*needed)
        .sort(list(needed))
    )
    rows = recent.group_by(keys, maintain_order=True).agg(
        (pl.col(time).max() < end - view.lookback).alias(_CLOSING),
        **{name: aggregated(feature, time, end) for name, feature in view.features.items()},
    )
    collected = rows.collect(engine="in-memory")  # the other engine sums in pieces that depend on rows beside these
    moment = pl.lit(end).cast(UTC_TIME)
    made = with_derived(collected, view.derived, view.features)
    features = (pl.when(~pl.col(_CLOSING)).then(pl.col(name)).alias(name) for name in view.feature_names)
    return made.select(*keys, moment.alias("event_time"), moment.alias("known_at"), *features)


def aggregated(feature: Aggregation, time: str, end: datetime) -> pl.Expr:
    """The aggregation as a Polars expression over the events of one entity, sorted by time."""
    kept = pl.col(time) >= end - feature.window
    if feature.where is not None:
        kept = kept & feature.where
    values = pl.col(feature.column or time).filter(kept)
    match feature.kind:
        case "total":
            return values.sum()
        case "count":
            return values.len()
        case "count_distinct":
            return values.drop_nulls().n_unique()
        case "mean":
            return values.mean()
        case "minimum":
            return values.min()
        case "maximum":
            return values.max()
        case "latest":
            return values.drop_nulls().last()
        case "days_since_last":
            return (pl.lit(end).cast(UTC_TIME) - values.max()).dt.total_microseconds() / 86_400_000_000
