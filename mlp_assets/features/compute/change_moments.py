"""Finds the moments at which the content of a window can change, and holds rows until the next of them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.compute.ranges import write_out
from mlp_assets.features.compute.time_steps import ID, KNOWN, MARK, MOMENT, STEP, Steps, WantedMoments
from mlp_assets.tables.events import WITHDRAWN


def change_rows(steps: Steps, moments: WantedMoments) -> pl.DataFrame:
    """A row for each moment at which what an entity's windows hold may differ from the moment before.

    An event changes it at the first moment that sees the event, at the first one a window's length later, and at the
    first one after the event was withdrawn.

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
    distinct = pl.Series(np.concatenate(rows)).unique().sort().to_numpy()
    return moments.rows(distinct // count, distinct % count)


def hold(rows: pl.DataFrame, held: pl.Series, moments: WantedMoments) -> pl.DataFrame:
    """Repeats rows at each moment until the entity's next row, as known at that moment; sorted by moment and entity.

    Args:
        rows: ``change_rows`` and any columns.
        held: which rows to repeat.
    """
    same = pl.col(ID).shift(-1) == pl.col(ID)
    until = pl.when(same).then(pl.col(MOMENT).shift(-1)).otherwise(len(moments.times))
    first, length = (rows.select(each).to_series().to_numpy() for each in (pl.col(MOMENT), until - pl.col(MOMENT)))
    length = np.where(held.to_numpy(), length, 0)
    index, at = write_out(first, length)
    order = np.argsort(at, kind="stable")
    index, at = index[order], at[order]
    times = moments.times[at]
    return rows[index].with_columns(times, times.alias("known_at"), pl.Series(MARK, moments.marks[at]))


def _first_at(moments: WantedMoments, micros: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of the first moment at or after each time."""
    return np.searchsorted(moments.micros, micros)
