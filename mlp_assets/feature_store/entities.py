"""The entities of a request: keys in their declared types, and a time for each row."""

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from mlp_assets.feature_store.errors import StoreError
from mlp_assets.feature_store.feature_selection import FeatureColumn
from mlp_assets.nouns.checks.texts import did_you_mean, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import DataType, type_name
from mlp_assets.tables.events import UTC_TIME

ROW, AT = "__row", "__at"


def checked_entities(entities: pl.DataFrame, columns: Sequence[FeatureColumn]) -> pl.DataFrame:
    """The key columns in the types of the feature tables, and the row number ``__row``.

    Raises:
        StoreError: a key column is missing or has another type, or a column would be in the answer twice.
    """
    if not isinstance(entities, pl.DataFrame):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user may pass anything
        raise StoreError(f"entities is a {type(entities).__name__}. Pass a polars.DataFrame with the key columns.")
    twice = [column.name for column in columns if column.name in entities.columns]
    if twice:
        raise StoreError(
            f"entities has a column {twice[0]!r} already. Drop or rename it: the answer has a feature of that name."
        )
    keys = {key: column for column in columns for key in column.view.entity.keys}
    typed = [_typed(entities, key, column.view) for key, column in keys.items()]
    return pl.DataFrame(typed).with_row_index(ROW)


def _typed(entities: pl.DataFrame, key: str, view: FeatureView) -> pl.Series:
    if key not in entities.columns:
        hint = did_you_mean(key, entities.columns)
        raise StoreError(f"entities has no column {key!r}, a key of view {view.name!r}. {hint}")
    wanted: DataType = view.root.columns.get(key) or view.source.columns[key]
    column = entities[key]
    if column.dtype == wanted:
        return column
    both_whole = column.dtype.is_integer() and wanted.is_integer()
    if both_whole or column.dtype in (pl.Null, pl.Categorical, pl.Enum):
        return column.cast(wanted)
    given, right = type_name(column.dtype), type_name(wanted)
    fix = f"Write entities.with_columns(pl.col({key!r}).cast({right}))."
    raise StoreError(f"Column {key!r} of entities is {given}; the key of view {view.name!r} is {right}. {fix}")


def times_of(
    spine: pl.DataFrame, entities: pl.DataFrame, at: datetime | date | str | None, now: datetime
) -> pl.DataFrame:
    """The spine with a time ``__at`` for each row, in UTC.

    Raises:
        StoreError: ``at`` is neither a time nor a column of times, or a row has no time.
    """
    if not isinstance(at, str) or at not in entities.columns:
        return spine.with_columns(pl.lit(_one_time(at, entities, now), dtype=UTC_TIME).alias(AT))
    column = entities[at]
    if not isinstance(column.dtype, pl.Datetime | pl.Date):
        fix = f"Write entities.with_columns(pl.col({at!r}).str.to_datetime())." if column.dtype == pl.String else ""
        raise StoreError(f"Column {at!r} is {type_name(column.dtype)}; it must hold times. {fix}".strip())
    if column.null_count():
        raise StoreError(f"Column {at!r} has no time in {column.null_count()} rows. Fill them, or drop the rows.")
    time = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
    zone = getattr(time.dtype, "time_zone", None)
    utc = time.dt.convert_time_zone("UTC") if zone else time.dt.replace_time_zone("UTC")
    return spine.with_columns(utc.cast(UTC_TIME).alias(AT))


def _one_time(at: object, entities: pl.DataFrame, now: datetime) -> datetime:
    if at is None:
        return now
    if not isinstance(at, str | date):
        raise StoreError(f"at={at!r} is no time. Write a datetime, '2024-05-01', or the name of a column.")
    try:
        return moment(at if isinstance(at, str) else at.isoformat())
    except ValueError:
        hint = did_you_mean(str(at), entities.columns)
        raise StoreError(f"at={at!r} is neither a time nor a column of entities. {hint}") from None
