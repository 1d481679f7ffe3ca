"""The check of a publication: what a replica reads now is what a training row of now would have, to the last bit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.engine.asof import FeatureTable, join_as_known
from mlp_assets.engine.ttl import microseconds
from mlp_assets.serving.plan import ViewPlan
from mlp_assets.serving.reading import REASONS, ViewReader
from mlp_resources.ports_serving import OnlineView

CHECK = "online_equals_offline"
VALUES = 100_000
"""How many values are compared at least, where there are as many."""
_READ_AT_ONCE = 5_000


def compared(
    plan: ViewPlan, ttl: timedelta | None, rows: pl.LazyFrame, view: OnlineView, now: datetime
) -> dg.AssetCheckResult:
    """Compares the view, as a replica reads it, with the as-known join at ``now`` of the rows that were published.

    The entities are taken evenly out of all that the table ever had, so those without a row online count too; a row
    past its TTL is missing on both sides.
    """
    entities = sampled(rows.select(plan.keys).drop_nulls().unique().collect(), plan)
    told = entities.lazy().with_columns(at=pl.lit(now).cast(pl.Datetime("us", "UTC"))).with_row_index("place")
    mine = rows.join(told, on=list(plan.keys), how="semi")
    joined = join_as_known(told, "at", [FeatureTable(mine, plan.keys, plan.features, ttl)]).sort("place")
    offline = joined.select(pl.col(plan.features).cast(pl.Float64).fill_null(float("nan"))).collect().to_numpy()
    online, reasons = _read(plan, view, entities.rows(), now)
    differ = np.ascontiguousarray(offline).view(np.uint64) != online.view(np.uint64)
    metadata: dict[str, Any] = {
        "values_compared": int(differ.size),
        "differences": int(differ.sum()),
        "entities": entities.height,
        "at": now.isoformat(),
    } | {reason: int((reasons == code).sum()) for code, reason in REASONS.items()}
    if differ.any():
        metadata |= _first(plan, entities, differ, offline, online)
    return dg.AssetCheckResult(
        check_name=CHECK, passed=not differ.any(), severity=dg.AssetCheckSeverity.ERROR, metadata=metadata
    )


def sampled(entities: pl.DataFrame, plan: ViewPlan) -> pl.DataFrame:
    """Entities at even distances in the order of their keys, enough for the values to compare; all if they are few."""
    wanted = -(-VALUES // len(plan.features))
    ordered = entities.sort(plan.keys)
    if ordered.height <= wanted:
        return ordered
    return ordered[(np.arange(wanted) * ordered.height) // wanted]


def _read(
    plan: ViewPlan, view: OnlineView, entities: Sequence[Any], now: datetime
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    reader, at = ViewReader(plan, view), microseconds(now)
    starts = range(0, len(entities), _READ_AT_ONCE)
    reads = [reader.many(entities[start : start + _READ_AT_ONCE], at) for start in starts]
    values = [np.empty((0, len(plan.features))), *(read.values for read in reads)]
    reasons = [np.empty(0, dtype=np.uint8), *(read.reasons for read in reads)]
    return np.ascontiguousarray(np.concatenate(values)), np.concatenate(reasons)


def _first(
    plan: ViewPlan, entities: pl.DataFrame, differ: Any, offline: NDArray[np.float64], online: NDArray[np.float64]
) -> dict[str, Any]:
    row, place = (int(found) for found in np.argwhere(differ)[0])
    return {
        "first_feature": plan.features[place],
        "first_entity": str(dict(zip(plan.keys, entities.row(row), strict=True))),
        "first_offline": repr(float(offline[row, place])),
        "first_online": repr(float(online[row, place])),
    }
