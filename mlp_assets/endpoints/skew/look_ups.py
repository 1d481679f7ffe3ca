"""Looks up the features of some entities as an endpoint would, and returns them as rows of a prediction log."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from mlp_assets.endpoints.replica.prediction_log import prediction_entry, prediction_rows
from mlp_assets.endpoints.replica.row_features import FeatureAssembler
from mlp_assets.endpoints.skew.narrowed_plan import NarrowedPlan
from mlp_assets.features.online_reader import ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.expiry import microseconds
from mlp_resources.ports.serving import Key, OnlineView

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def look_up_rows(
    narrowed: NarrowedPlan, online: Mapping[str, OnlineView], asked: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """The features of the rows at ``now``, and at the time of the newest row that is online.

    At ``now``, all rows may be past their TTL. Then only the second time leaves values to compare.

    Args:
        online: the views of the plan, by name.
        asked: keys and request columns.
    """
    columns = {name: asked[name].to_list() for name in narrowed.plan.columns}
    newest = _newest_time(narrowed.plan.views, online, columns)
    times = [now] if newest is None or newest >= now else [newest, now]
    return pl.concat([_rows_at(narrowed, online, columns, at, now) for at in times])


def _newest_time(
    views: Sequence[ViewPlan], online: Mapping[str, OnlineView], columns: Mapping[str, list[Any]]
) -> datetime | None:
    """The newest event time of the entities; None if none is online."""
    reads = [online[view.name].get_many(_keys(view, columns)) for view in views]
    times = [int(read.times[read.found].max()) for read in reads if read.found.any()]
    return _EPOCH + timedelta(microseconds=max(times)) if times else None


def _rows_at(
    narrowed: NarrowedPlan,
    online: Mapping[str, OnlineView],
    columns: Mapping[str, list[Any]],
    at: datetime,
    now: datetime,
) -> pl.DataFrame:
    plan, count = narrowed.plan, len(next(iter(columns.values())))
    reads = {
        view.name: ViewReader(view, online[view.name]).read_many(_keys(view, columns), microseconds(at))
        for view in plan.views
    }
    features = FeatureAssembler(plan, narrowed.derived).rows(reads, columns, count)
    ids = [str(place) for place in range(count)]
    answers = {"prediction": [0.0] * count}
    times = (now.isoformat(), at.isoformat())
    return prediction_rows(prediction_entry(plan, ids, times, columns, features, answers))


def _keys(view: ViewPlan, columns: Mapping[str, list[Any]]) -> list[Key]:
    return list(zip(*(columns[key] for key in view.keys), strict=True))
