"""Versions of feature rows: which rows late and withdrawn events change, and when."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from mlp_assets.features.compute.time_steps import ID, MOMENT, Steps, WantedMoments
from mlp_assets.tables.events import LATE, WITHDRAWN
from mlp_assets.tables.ranges import write_out

_FIRST, _STOP = "__first", "__stop"


def version_rows(events: pl.DataFrame, steps: Steps, moments: WantedMoments) -> pl.DataFrame:
    """The versions of rows that late events may make.

    There is one for each entity, moment and time after the moment at which an event of the entity, within reach of the
    moment, became known or was withdrawn.

    Returns:
        The columns of ``WantedMoments.rows`` and ``known_at``.
    """
    time, reach = steps.view.source.event_time, steps.view.reach
    changes = pl.concat(
        [
            events.filter(LATE).select(ID, time, "known_at"),
            events.filter(pl.col(WITHDRAWN).is_not_null()).select(ID, time, pl.col(WITHDRAWN).alias("known_at")),
        ]
    )
    happened, known = steps.micros(changes[time]), steps.micros(changes["known_at"])
    first, stop = np.searchsorted(moments.micros, happened, "right"), np.searchsorted(moments.micros, known)
    if reach is not None:
        last = happened + reach // timedelta(microseconds=1)
        stop = np.minimum(stop, np.searchsorted(moments.micros, last, "right"))
    ranges = _merged(changes.select(ID, "known_at", pl.Series(_FIRST, first), pl.Series(_STOP, stop)))
    owner, places = write_out(ranges[_FIRST].to_numpy(), (ranges[_STOP] - ranges[_FIRST]).to_numpy())
    pairs = ranges[owner].with_columns(pl.Series(MOMENT, places))
    ordered = pairs.sort(MOMENT, ID, "known_at")
    rows = moments.rows(ordered[ID].to_numpy().astype(np.int64), ordered[MOMENT].to_numpy())
    return rows.with_columns(ordered["known_at"])


def _merged(ranges: pl.DataFrame) -> pl.DataFrame:
    """The ranges of moments of each entity and version, without overlaps.

    Thousands of events may arrive at one time. Their ranges are merged before they are written out.
    """
    ordered = ranges.filter(pl.col(_FIRST) < pl.col(_STOP)).sort(ID, "known_at", _FIRST)
    apart = pl.col(_FIRST) > pl.col(_STOP).cum_max().shift(1).over(ID, "known_at")
    run = apart.fill_null(value=True).cum_sum().alias("__run")
    merged = ordered.group_by(run, maintain_order=True)
    return merged.agg(pl.col(ID, "known_at", _FIRST).first(), pl.col(_STOP).max()).drop("__run")


def changed_versions(
    base: pl.DataFrame, versions: pl.DataFrame, row: Sequence[str], features: Sequence[str], present: str
) -> pl.DataFrame:
    """The base rows, and the versions that begin a row or whose features differ from the version before.

    A late event may begin a row without features, which closes the rows before it: of an entity that was quiet, the
    windows that held the event had ended before it became known.

    Args:
        base: each row as known at its moment, with the columns ``row``, ``known_at`` and the features.
        versions: the same rows as known later, in the same columns.
        present: the column of both that says whether an event was in reach, as known then.
    """
    ordered = pl.concat([base, versions]).sort(*row, "known_at")
    existing = ordered.filter(pl.col(present).cum_max().over(row))
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in row).fill_null(value=False)
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in features)
    is_base = pl.col("known_at") == pl.col("event_time")
    return existing.filter(is_base | ~again | differs).drop(present)
