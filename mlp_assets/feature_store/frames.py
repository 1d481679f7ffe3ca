"""Answers requests: by the join of training sets, and by the look-up of endpoints."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.feature_store.entities import AT, ROW
from mlp_assets.feature_store.errors import StoreError
from mlp_assets.feature_store.feature_selection import FeatureColumn, by_view
from mlp_assets.features.definitions.definition_note import newest_location
from mlp_assets.features.online_reader import REASONS, UNKNOWN, ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.expiry import microseconds
from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Lake

# Up to this many rows, filtering a table to the entities first is faster than joining all of it.
_FEW = 100_000


Visible = Callable[[str, FeatureView], pl.Expr]
"""(name of the project that owns a view, view) -> when its rows are visible."""


def as_visible(
    lake: Lake, columns: Sequence[FeatureColumn], entities: pl.DataFrame, spine: pl.DataFrame, visible: Visible
) -> pl.DataFrame:
    """The entities with the features that were visible at the times of the spine (keys, ``__row``, ``__at``).

    Raises:
        StoreError: a feature is newer than its table.
    """
    places = {(id(column.view), column.feature): f"__{number}" for number, column in enumerate(columns)}
    joined_tables = [
        replace(_table(lake, view, own, places), visible=visible(own[0].home, view)) for view, own in by_view(columns)
    ]
    if spine.height <= _FEW:
        joined_tables = [_of_entities(table, spine) for table in joined_tables]
    joined = join_as_visible(spine.lazy(), AT, joined_tables).collect()
    finite = with_derived(joined, {}, places.values()).sort(ROW)
    named = {places[id(column.view), column.feature]: column.name for column in columns}
    return entities.hstack(finite.select(list(named)).rename(named))


def _table(
    lake: Lake, view: FeatureView, own: Sequence[FeatureColumn], places: dict[tuple[int, str], str]
) -> FeatureTable:
    table = tables.features(own[0].home, view.name)
    rows = lake.scan(table)
    stored = rows.collect_schema().names()
    missing = [column.feature for column in own if column.feature not in stored]
    if missing:
        fix = f"Materialize {table}: the feature is newer than its table."
        raise StoreError(f"{view.where} has not computed {missing[0]!r} yet. {fix}")
    chosen = {column.feature: places[id(column.view), column.feature] for column in own}
    whole = FeatureTable.of(view, rows)
    others = [name for name in whole.columns if name not in view.feature_names]
    return replace(whole, rows=rows.select(*others, *chosen).rename(chosen), features=tuple(chosen.values()))


def _of_entities(table: FeatureTable, spine: pl.DataFrame) -> FeatureTable:
    entities = spine.lazy().select(table.keys).unique()
    return replace(table, rows=table.rows.join(entities, on=list(table.keys), how="semi"))


def as_online(
    environment: Environment, columns: Sequence[FeatureColumn], entities: pl.DataFrame, spine: pl.DataFrame
) -> pl.DataFrame:
    """The entities with the features that are online for the keys of the spine, and a status column per view.

    Raises:
        StoreError: a view is not online.
    """
    offline = [view for view, _ in by_view(columns) if not view.online]
    if offline:
        online = [view.name for view, _ in by_view(columns) if view.online]
        hint = did_you_mean(offline[0].name, online) if online else "Or read it with features(), as it was known."
        raise StoreError(
            f"{offline[0].where} is not online. Write online=True and materialize its online asset. {hint}"
        )
    columns_by_name: dict[str, pl.Series] = {}
    statuses: list[pl.Series] = []
    for view, own in by_view(columns):
        values, reasons = _look_up(environment, view, own, spine)
        columns_by_name |= {column.name: pl.Series(values[:, place]) for place, column in enumerate(own)}
        named = pl.Series(f"{view.name}.status", reasons, dtype=pl.UInt8)
        statuses.append(named.replace_strict(REASONS, default="found", return_dtype=pl.String))
    features = pl.DataFrame({column.name: columns_by_name[column.name] for column in columns}).fill_nan(None)
    return entities.hstack(features).hstack(statuses)


def _look_up(
    environment: Environment, view: FeatureView, own: Sequence[FeatureColumn], spine: pl.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Values (rows, features), NaN where missing, and reasons (rows,). A row with a null key is unknown."""
    ttl = view.ttl_length
    plan = ViewPlan(
        view.name,
        tuple(view.entity.keys),
        tuple(column.feature for column in own),
        int(ttl.total_seconds()) if ttl is not None else None,
        newest_location(environment, own[0].home, view.name),
    )
    reader = ViewReader(plan, environment.online.open_view(plan.location, plan.features))
    keys = spine.select(plan.keys)
    read = reader.read_many(keys.rows(), microseconds(environment.now()))
    without_key = keys.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
    return np.where(without_key[:, None], np.nan, read.values), np.where(without_key, UNKNOWN, read.reasons)
