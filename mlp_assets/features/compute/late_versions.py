"""Versions of feature rows: which rows late and withdrawn events change, and when."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from mlp_assets.features.compute.time_steps import ID, MOMENT, Moments, Steps
from mlp_assets.tables.events import WITHDRAWN


def version_rows(events: pl.DataFrame, steps: Steps, moments: Moments) -> pl.DataFrame:
    """The versions of rows that late events may make.

    There is one for each entity, moment and time after the moment at which an event of the entity, within reach of the
    moment, became known or was withdrawn.

    Returns:
        The columns of ``Moments.rows`` and ``known_at``.
    """
    time, reach = steps.view.source.event_time, steps.view.reach
    changes = pl.concat(
        [
            events.filter("late").select(ID, time, "known_at"),
            events.filter(pl.col(WITHDRAWN).is_not_null()).select(ID, time, pl.col(WITHDRAWN).alias("known_at")),
        ]
    )
    happened, known = steps.micros(changes[time]), steps.micros(changes["known_at"])
    first, stop = np.searchsorted(moments.micros, happened, "right"), np.searchsorted(moments.micros, known)
    if reach is not None:
        last = happened + reach // timedelta(microseconds=1)
        stop = np.minimum(stop, np.searchsorted(moments.micros, last, "right"))
    counts = np.maximum(stop - first, 0)
    place = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    pairs = changes[np.repeat(np.arange(len(counts)), counts)].select(ID, "known_at", pl.Series(MOMENT, place))
    distinct = pairs.unique().sort(MOMENT, ID, "known_at")
    rows = moments.rows(distinct[ID].to_numpy().astype(np.int64), distinct[MOMENT].to_numpy())
    return rows.with_columns(distinct["known_at"])


def changed_versions(
    base: pl.DataFrame, versions: pl.DataFrame, row: Sequence[str], features: Sequence[str]
) -> pl.DataFrame:
    """The base rows, and the versions whose features differ from the version before.

    Args:
        base: each row as known at its moment, with the columns ``row``, ``known_at`` and the features.
        versions: the same rows as known later, in the same columns.
    """
    ordered = pl.concat([base, versions]).sort(*row, "known_at")
    first = pl.int_range(pl.len()).over(row) == 0
    before = [pl.col(name).shift(1).over(row) for name in features]
    differs = pl.any_horizontal(pl.col(name).ne_missing(old) for name, old in zip(features, before, strict=True))
    is_base = pl.col("known_at") == pl.col("event_time")
    has_feature = pl.any_horizontal(pl.col(features).is_not_null())
    return ordered.filter(is_base | (first & has_feature) | (~first & differs))
