"""Data quality of each feature and window: the share of missing values, and of values out of the reference's range."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.metrics.window_figures import by_window, tidy

_FLOOR = 0.05
_OUTER = 0.001


def quality(
    reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str], *, minimum_rows: int
) -> pl.DataFrame:
    """Tidy rows of the methods ``missing_share`` and ``out_of_range_share``.

    The range of a feature is what holds all but the outermost 0.1 % of the reference's values on each side.

    Args:
        reference, windows: rows with ``window`` (String) and the features (Float64).
    """
    low = reference.select(pl.col(name).fill_nan(None).quantile(_OUTER) for name in features).row(0, named=True)
    high = reference.select(pl.col(name).fill_nan(None).quantile(1 - _OUTER) for name in features).row(0, named=True)
    told = _shares(windows, features, low, high)
    return tidy(told, _shares(reference, features, low, high), floor=_FLOOR, minimum_rows=minimum_rows)


def _shares(
    frame: pl.DataFrame, features: Sequence[str], low: dict[str, float | None], high: dict[str, float | None]
) -> pl.DataFrame:
    found: list[tuple[str, str, str, float, int]] = []
    for window, rows in by_window(frame):
        for name in features:
            column = rows[name].fill_nan(None)
            bottom, top = low[name], high[name]
            beyond = (column < bottom) | (column > top) if bottom is not None and top is not None else None
            outside = int(beyond.sum() or 0) if beyond is not None else 0
            found.append((window, name, "missing_share", column.null_count() / rows.height, rows.height))
            found.append((window, name, "out_of_range_share", outside / rows.height, rows.height))
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    return pl.DataFrame(found, schema=schema, orient="row")
