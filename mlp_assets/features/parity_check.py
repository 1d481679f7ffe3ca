"""Checks a publication: an endpoint reads the values that a training row of that moment would have, bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.online_reader import REASONS, ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.expiry import microseconds
from mlp_assets.tables.standing_rows import UNTIL, as_newest, up_to
from mlp_resources.ports.serving import OnlineView

VALUES = 100_000
"""The least number of values to compare, if the table has as many."""
_READ_AT_ONCE = 5_000


@dataclass(frozen=True)
class Parity:
    """The result of a comparison: ``facts`` count the values, the differences and the reasons for missing values."""

    equal: bool
    facts: dict[str, Any]


def compare_online_with_offline(plan: ViewPlan, table: FeatureTable, view: OnlineView, now: datetime) -> Parity:
    """Compares the view, as a replica reads it, with the as-known join of the published rows.

    Compares at ``now`` and at the moment when the newest row became known. Samples entities evenly from all that the
    table ever had, so entities without a row online are compared too. A row past its TTL is missing on both sides.

    Args:
        table: the rows of which the newest were published.
        now: also the moment at which the reasons for missing values are counted.
    """
    entities = sample_entities(table.rows.select(plan.keys).drop_nulls().unique().collect(), plan)
    moments = _moments(table, now)
    offline = np.concatenate([_read_offline(plan, table, entities, at) for at in moments])
    reads = [_read_online(plan, view, entities.rows(), at) for at in moments]
    online, reasons = np.concatenate([values for values, _ in reads]), reads[0][1]
    differ = np.ascontiguousarray(offline).view(np.uint64) != online.view(np.uint64)
    facts: dict[str, Any] = {
        "values_compared": int(differ.size),
        "values_present": int((~np.isnan(offline)).sum()),
        "differences": int(differ.sum()),
        "entities": entities.height,
        "at": ", ".join(at.isoformat() for at in moments),
    } | {reason: int((reasons == code).sum()) for code, reason in REASONS.items()}
    if differ.any():
        facts |= _first_difference(plan, entities, differ, offline, online)
    return Parity(not differ.any(), facts)


def _moments(table: FeatureTable, now: datetime) -> list[datetime]:
    """Now, and when the newest row became known: a table that has expired since would leave nothing to compare."""
    rows = table.rows if table.every is None else as_newest(up_to(table.rows, now, table.every))
    visible = rows.select(at=pl.max_horizontal("event_time", "known_at")).filter(pl.col("at") <= now)
    newest = visible.select(pl.col("at").max()).collect().item()
    return [now] if newest is None or newest == now else [now, newest]


def sample_entities(entities: pl.DataFrame, plan: ViewPlan) -> pl.DataFrame:
    """Entities at even distances in key order: enough for ``VALUES`` values, or all if there are fewer."""
    wanted = -(-VALUES // len(plan.features))
    ordered = entities.sort(plan.keys)
    if ordered.height <= wanted:
        return ordered
    return ordered[(np.arange(wanted) * ordered.height) // wanted]


def _read_offline(plan: ViewPlan, table: FeatureTable, entities: pl.DataFrame, at: datetime) -> NDArray[np.float64]:
    """Values (entities, features) by the as-known join, NaN where missing."""
    spine = entities.lazy().with_columns(at=pl.lit(at).cast(pl.Datetime("us", "UTC"))).with_row_index("place")
    rows = table.rows
    if table.ttl is not None:  # of years of rows, a few days
        rows = rows.filter(pl.col("event_time" if table.every is None else UNTIL) >= pl.lit(at) - table.ttl)
    sampled = replace(table, rows=rows.join(spine, on=list(plan.keys), how="semi"))
    joined = join_as_visible(spine, "at", [sampled]).sort("place")
    return joined.select(pl.col(plan.features).cast(pl.Float64).fill_null(float("nan"))).collect().to_numpy()


def _read_online(
    plan: ViewPlan, view: OnlineView, entities: Sequence[Any], at: datetime
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Values (entities, features), NaN where missing, and the reasons (entities,)."""
    reader, time = ViewReader(plan, view), microseconds(at)
    starts = range(0, len(entities), _READ_AT_ONCE)
    reads = [reader.read_many(entities[start : start + _READ_AT_ONCE], time) for start in starts]
    values = [np.empty((0, len(plan.features))), *(read.values for read in reads)]
    reasons = [np.empty(0, dtype=np.uint8), *(read.reasons for read in reads)]
    return np.ascontiguousarray(np.concatenate(values)), np.concatenate(reasons)


def _first_difference(
    plan: ViewPlan, entities: pl.DataFrame, differ: Any, offline: NDArray[np.float64], online: NDArray[np.float64]
) -> dict[str, Any]:
    row, place = (int(index) for index in np.argwhere(differ)[0])
    return {
        "first_feature": plan.features[place],
        "first_entity": str(dict(zip(plan.keys, entities.row(row % entities.height), strict=True))),
        "first_offline": repr(float(offline[row, place])),
        "first_online": repr(float(online[row, place])),
    }
