"""When did a live source's rows come? What a partition that is ingested again adds, keeps and withdraws."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlp_assets.tables.events import INGESTED, UTC_TIME, WITHDRAWN


@dataclass(frozen=True)
class Arrival:
    """An ingestion: its time, and whether that bounds when a new row was known.

    It does for a partition that is ingested again, or later than one cadence after its end; not for the history before
    the table was made, nor for a partition on its schedule, whose rows count as known when their source says.
    """

    time: datetime
    bounds: bool


def stamped(fresh: pl.DataFrame, stored: pl.DataFrame, arrival: Arrival) -> pl.DataFrame:
    """The rows of a partition with ``ingested_at`` and ``withdrawn_at``.

    A row that was there keeps its times; a new one is known from the arrival on, if that bounds it; one that is no
    longer delivered stays, withdrawn from now on, since feature rows of earlier times have seen it. Equal rows count.

    Args:
        fresh: what was read, in the source's columns.
        stored: what the table holds of the partition, with the times; no rows when it was never ingested.
    """
    columns = fresh.columns
    now = pl.lit(arrival.time).cast(UTC_TIME)
    never = pl.lit(None, dtype=UTC_TIME)
    if not stored.height:
        return fresh.with_columns((now if arrival.bounds else never).alias(INGESTED), never.alias(WITHDRAWN))
    gone = stored.filter(pl.col(WITHDRAWN).is_not_null())
    held = _numbered(stored.filter(pl.col(WITHDRAWN).is_null()).sort(INGESTED, nulls_last=False), columns)
    came = _numbered(fresh, columns)
    on = [*columns, "__copy"]
    kept = held.join(came, on=on, how="semi", nulls_equal=True)
    new = came.join(held, on=on, how="anti", nulls_equal=True).with_columns(now.alias(INGESTED), never.alias(WITHDRAWN))
    lost = held.join(came, on=on, how="anti", nulls_equal=True).with_columns(now.alias(WITHDRAWN))
    order = [*columns, INGESTED, WITHDRAWN]
    return pl.concat([part.select(order) for part in (gone, kept, new, lost)])


def _numbered(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Equal rows are told apart by their number."""
    return rows.with_columns(__copy=pl.int_range(pl.len()).over(columns))
