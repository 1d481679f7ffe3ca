"""A sample of each window of a table, drawn without holding the table in memory."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.tables.batches import column_groups

_ROWS_PER_WINDOW = 10_000
_SEED = 1


def draw_sample(rows: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """``window`` and the columns of up to 10,000 rows of each window, in order of the windows.

    Args:
        rows: a query that gives its rows in the same order each time.
    """
    windows = rows.select("window").collect()
    places = windows.with_row_index("place").partition_by("window", maintain_order=True)
    drawn = [_draw(part["place"]) for part in sorted(places, key=lambda part: part["window"][0])]
    chosen = pl.concat(drawn) if drawn else pl.Series(dtype=pl.UInt32)
    parts = [windows[chosen]]
    for names in column_groups(columns):
        parts.append(rows.select(names).collect()[chosen])
    return pl.concat(parts, how="horizontal")


def _draw(places: pl.Series) -> pl.Series:
    return places.sample(_ROWS_PER_WINDOW, seed=_SEED) if len(places) > _ROWS_PER_WINDOW else places
