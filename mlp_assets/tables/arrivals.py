"""Arrival times of a live source's rows: what an ingestion of a partition adds, keeps and withdraws."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlp_assets.tables.events import INGESTED, UTC_TIME, WITHDRAWN


@dataclass(frozen=True)
class Arrival:
    """An ingestion.

    Args:
        bounds: whether a new row counts as known from ``time`` on, over the source's columns. It does if the partition,
            or the step of the day, was ingested before, or is ingested more than one cadence after its end. It does not
            for the history before the table was created, nor for what is ingested on schedule: those rows count as
            known when their source says.
    """

    time: datetime
    bounds: bool | pl.Expr


def stamp_arrivals(fresh: pl.DataFrame, stored: pl.DataFrame, arrival: Arrival) -> pl.DataFrame:
    """The rows of a partition with ``ingested_at`` and ``withdrawn_at``.

    A stored row that arrives again keeps its times. A new row is known from the arrival on, if the arrival bounds it. A
    stored row that no longer arrives stays, withdrawn from now on: feature rows of earlier times have seen it. Equal
    rows are matched by their count.

    Args:
        fresh: the rows that were read, in the source's columns.
        stored: the rows of the partition in the table, with both times; empty if it was never ingested.
    """
    columns = fresh.columns
    now = pl.lit(arrival.time).cast(UTC_TIME)
    never = pl.lit(None, dtype=UTC_TIME)
    arrived_at = pl.when(arrival.bounds).then(now).otherwise(never).alias(INGESTED)
    if not stored.height:
        return fresh.with_columns(arrived_at, never.alias(WITHDRAWN))
    withdrawn = stored.filter(pl.col(WITHDRAWN).is_not_null())
    valid = _numbered(stored.filter(pl.col(WITHDRAWN).is_null()).sort(INGESTED, nulls_last=False), columns)
    arrived = _numbered(fresh, columns)
    on = [*columns, "__copy"]
    kept = valid.join(arrived, on=on, how="semi", nulls_equal=True)
    added = arrived.join(valid, on=on, how="anti", nulls_equal=True)
    added = added.with_columns(arrived_at, never.alias(WITHDRAWN))
    missing = valid.join(arrived, on=on, how="anti", nulls_equal=True).with_columns(now.alias(WITHDRAWN))
    order = [*columns, INGESTED, WITHDRAWN]
    return pl.concat([part.select(order) for part in (withdrawn, kept, added, missing)])


def _numbered(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Adds ``__copy``, which numbers equal rows."""
    return rows.with_columns(__copy=pl.int_range(pl.len()).over(columns))
