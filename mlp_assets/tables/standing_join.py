"""The as-of join with rows that stand for several moments of a cadence."""

from datetime import timedelta

import numpy as np
import polars as pl

from mlp_assets.tables.best_rows import best_when_visible
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.ranges import pieces
from mlp_assets.tables.standing_rows import UNTIL, moments_held

CODE, PLACE, ROW_TIME = "__code", "__place", "__feature_event_time"
_SEEN = "__seen"


def seen_rows(
    requests: pl.DataFrame, time: str, rows: pl.DataFrame, visible: pl.Expr, every: timedelta
) -> pl.DataFrame:
    """The rows that requests see, as if there were a row for each moment.

    Most moments become visible in their order. So a request sees the row that stands at the newest of these moments
    that was visible then, or the last row of an entity that has none. The rows of moments that became visible after a
    later one, and the versions that became known later, are joined one by one.

    Args:
        requests: ``__code`` and ``time``, sorted by time.
        rows: ``__code``, ``__place``, ``event_time``, ``known_at`` and ``stands_until``.
        visible: when a row is visible, over ``event_time`` and ``known_at``; null for never.

    Returns:
        The requests with the ``__place`` of the row and its moment ``__feature_event_time``; null for none.
    """
    moments = _moments(rows, visible, every)
    standing, single = _divided(rows, moments)
    requests = _with_standing(requests, time, standing, moments.filter("in_order"))
    return _with_single(requests, time, single, visible)


def _moments(rows: pl.DataFrame, visible: pl.Expr, every: timedelta) -> pl.DataFrame:
    """The moments with rows: ``event_time``, when each is visible, and whether all earlier ones are by then."""
    held = moments_held(rows.lazy(), every)
    moments = pl.DataFrame({"event_time": held, "known_at": held}).with_columns(visible.alias("visible_at"))
    earliest_of_rest = pl.col("visible_at").reverse().cum_min().reverse()
    in_order = pl.col("visible_at") == earliest_of_rest
    return moments.with_columns(in_order=in_order.fill_null(value=False))


def _divided(rows: pl.DataFrame, moments: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that stand at moments that are visible in order, and a row for each other moment and version."""
    is_version = pl.col("known_at") > pl.col("event_time")
    base, versions = rows.filter(~is_version), rows.filter(is_version).drop(UNTIL)
    if moments["in_order"].all():
        return base, versions
    number = pl.int_range(pl.len())
    numbered = moments.select("in_order", first=number, last=number, run=pl.col("in_order").rle_id())
    others = numbered.filter(~pl.col("in_order"))
    runs = numbered.filter("in_order").group_by("run", maintain_order=True)
    spans = runs.agg(pl.col("first").first(), pl.col("last").last())
    out_of_order = _pieces(base, moments, others).with_columns(known_at="event_time").drop(UNTIL)
    return _pieces(base, moments, spans), pl.concat([versions, out_of_order], how="diagonal")


def _pieces(rows: pl.DataFrame, moments: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The parts of the rows that lie in spans of moments, by their numbers ``first`` and ``last``."""
    times = moments["event_time"]
    first, last = (np.searchsorted(times.to_physical(), rows[name].to_physical()) for name in ("event_time", UNTIL))
    row, begin, end = pieces(first, last, spans["first"].to_numpy(), spans["last"].to_numpy())
    return rows[row].with_columns(times[begin].alias("event_time"), times[end].alias(UNTIL))


def _with_standing(requests: pl.DataFrame, time: str, rows: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    newest = moments.select("visible_at", pl.col("event_time").alias(_SEEN))
    asked = requests.join_asof(newest, left_on=time, right_on="visible_at", check_sortedness=False)
    before_all = pl.lit(0).cast(UTC_TIME)
    joined = asked.with_columns(pl.col(_SEEN).fill_null(before_all)).join_asof(
        rows.select(CODE, "event_time", UNTIL, PLACE).sort("event_time"),
        left_on=_SEEN,
        right_on="event_time",
        by=CODE,
        check_sortedness=False,
    )
    at = pl.when(pl.col(PLACE).is_not_null()).then(pl.min_horizontal(_SEEN, UNTIL))
    return joined.select(CODE, time, PLACE, at.alias(ROW_TIME))


def _with_single(requests: pl.DataFrame, time: str, rows: pl.DataFrame, visible: pl.Expr) -> pl.DataFrame:
    """The requests, with a row of one moment in place of the standing row where that is newer."""
    if rows.is_empty():
        return requests
    best = best_when_visible(rows.lazy(), [CODE], visible).collect()
    single = best.select(CODE, "visible_at", __single=PLACE, __single_time="event_time")
    joined = requests.join_asof(single, left_on=time, right_on="visible_at", by=CODE, check_sortedness=False)
    newer = pl.col(ROW_TIME).is_null() | (pl.col("__single_time") >= pl.col(ROW_TIME))
    newer &= pl.col("__single").is_not_null()
    return joined.select(
        CODE,
        time,
        pl.when(newer).then("__single").otherwise(PLACE).alias(PLACE),
        pl.when(newer).then("__single_time").otherwise(ROW_TIME).alias(ROW_TIME),
    )
