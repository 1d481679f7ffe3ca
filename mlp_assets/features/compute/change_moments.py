"""Finds the moments at which the content of a window can change, and holds rows until the next of them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.compute.time_steps import ID, KNOWN, MARK, MOMENT, STEP, Steps, WantedMoments
from mlp_assets.tables.events import WITHDRAWN
from mlp_assets.tables.ranges import pieces
from mlp_assets.tables.standing_rows import UNTIL


def change_rows(steps: Steps, moments: WantedMoments, alone: pl.DataFrame | None = None) -> pl.DataFrame:
    """A row for each moment at which what an entity's windows hold may differ from the moment before.

    An event changes it at the first moment that sees the event, at the first one a window's length later, and at the
    first one after the event was withdrawn.

    Args:
        alone: ``__id`` and ``__moment`` of rows that have to stand for one moment.

    Returns:
        The columns of ``WantedMoments.rows``, sorted by entity and moment.
    """
    partials, count = steps.partials, len(moments.times)
    ids, after = partials[ID].to_numpy().astype(np.int64), partials[STEP].to_numpy() + 1
    lengths = dict.fromkeys([*(part.window for part in steps.parts.values()), steps.view.reach])
    ends = [0, *(steps.count(length) for length in lengths if length is not None)]
    changes = [np.searchsorted(moments.marks, after + end) for end in ends]
    if steps.irregular:
        changes[0] = np.maximum(changes[0], _first_at(moments, steps.micros(partials[KNOWN])))
        withdrawn = _first_at(moments, steps.micros(partials[WITHDRAWN]))
        changes.append(np.where(partials[WITHDRAWN].is_null().to_numpy(), count, withdrawn))
    rows = [ids[change < count] * count + change[change < count] for change in changes]
    if alone is not None:
        places = alone[ID].to_numpy().astype(np.int64) * count + alone[MOMENT].to_numpy()
        rows += [places, places[(places + 1) % count != 0] + 1]
    distinct = pl.Series(np.concatenate(rows)).unique().sort().to_numpy()
    return moments.rows(distinct // count, distinct % count)


def hold(rows: pl.DataFrame, held: pl.Series, moments: WantedMoments, *, by_moment: bool) -> pl.DataFrame:
    """Repeats rows in each run of moments until the entity's next row, as known at the first of these moments.

    Args:
        rows: ``change_rows`` and any columns.
        held: which rows to repeat.
        by_moment: whether to sort by moment and entity, not by entity and moment.

    Returns:
        The rows, with the last of the moments as ``stands_until``.
    """
    same = pl.col(ID).shift(-1) == pl.col(ID)
    until = pl.when(same).then(pl.col(MOMENT).shift(-1)).otherwise(len(moments.times))
    first, last = (rows.select(each).to_series().to_numpy() for each in (pl.col(MOMENT), until - 1))
    kept = np.flatnonzero(held.to_numpy())
    run_first = np.flatnonzero(np.diff(moments.runs, prepend=-1))
    run_last = np.append(run_first[1:], len(moments.runs)) - 1
    index, begin, end = pieces(first[kept], last[kept], run_first, run_last)
    if by_moment:
        order = np.argsort(begin, kind="stable")
        index, begin, end = index[order], begin[order], end[order]
    times = moments.times[begin]
    return rows[kept[index]].with_columns(
        times,
        times.alias("known_at"),
        pl.Series(MOMENT, begin),
        pl.Series(MARK, moments.marks[begin]),
        moments.times[end].alias(UNTIL),
    )


def _first_at(moments: WantedMoments, micros: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of the first moment at or after each time."""
    return np.searchsorted(moments.micros, micros)
