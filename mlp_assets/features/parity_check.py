"""The check of a publication: what a replica reads now is what a training row of now would have, to the last bit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.online_reader import REASONS, ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.as_of_join import FeatureTable, join_as_known
from mlp_assets.tables.expiry import microseconds
from mlp_resources.ports.serving import OnlineView

CHECK = "online_equals_offline"
VALUES = 100_000
"""How many values are compared at least, where there are as many."""
_READ_AT_ONCE = 5_000


def compared(
    plan: ViewPlan, ttl: timedelta | None, rows: pl.LazyFrame, view: OnlineView, now: datetime
) -> dg.AssetCheckResult:
    """Compares the view, as a replica reads it, with the as-known join of the rows that were published.

    It does so at ``now``, and when the newest row became known. The entities are taken evenly out of all that the table
    ever had, so those without a row online count too; a row past its TTL is missing on both sides. The reasons for
    what is missing are counted at ``now``.
    """
    entities = sampled(rows.select(plan.keys).drop_nulls().unique().collect(), plan)
    moments = _moments(rows, now)
    offline = np.concatenate([_joined(plan, ttl, rows, entities, at) for at in moments])
    reads = [_read(plan, view, entities.rows(), at) for at in moments]
    online, reasons = np.concatenate([values for values, _ in reads]), reads[0][1]
    differ = np.ascontiguousarray(offline).view(np.uint64) != online.view(np.uint64)
    metadata: dict[str, Any] = {
        "values_compared": int(differ.size),
        "values_present": int((~np.isnan(offline)).sum()),
        "differences": int(differ.sum()),
        "entities": entities.height,
        "at": ", ".join(at.isoformat() for at in moments),
    } | {reason: int((reasons == code).sum()) for code, reason in REASONS.items()}
    if differ.any():
        metadata |= _first(plan, entities, differ, offline, online)
    return dg.AssetCheckResult(
        check_name=CHECK, passed=not differ.any(), severity=dg.AssetCheckSeverity.ERROR, metadata=metadata
    )


def _moments(rows: pl.LazyFrame, now: datetime) -> list[datetime]:
    """Now; and when the newest row became known, so that values are compared of a table that has expired since."""
    visible = rows.select(at=pl.max_horizontal("event_time", "known_at")).filter(pl.col("at") <= now)
    newest = visible.select(pl.col("at").max()).collect().item()
    return [now] if newest is None or newest == now else [now, newest]


def _joined(
    plan: ViewPlan, ttl: timedelta | None, rows: pl.LazyFrame, entities: pl.DataFrame, at: datetime
) -> NDArray[np.float64]:
    told = entities.lazy().with_columns(at=pl.lit(at).cast(pl.Datetime("us", "UTC"))).with_row_index("place")
    mine = rows.join(told, on=list(plan.keys), how="semi")
    joined = join_as_known(told, "at", [FeatureTable(mine, plan.keys, plan.features, ttl)]).sort("place")
    return joined.select(pl.col(plan.features).cast(pl.Float64).fill_null(float("nan"))).collect().to_numpy()


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
        "first_entity": str(dict(zip(plan.keys, entities.row(row % entities.height), strict=True))),
        "first_offline": repr(float(offline[row, place])),
        "first_online": repr(float(online[row, place])),
    }
