"""Data quality by feature and window: the share of missing values, and of values outside the reference's range."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.metrics.window_figures import add_limits, by_window, values_frame

_FLOOR = 0.05
_OUTER = 0.001


def quality_figures(
    reference: pl.DataFrame, windows: pl.DataFrame, features: Sequence[str], *, minimum_rows: int
) -> pl.DataFrame:
    """Figures of the methods ``missing_share`` and ``out_of_range_share``.

    The range of a feature excludes the outermost 0.1 % of the reference's values on each side.

    Args:
        reference, windows: rows with ``window`` (String) and the features (Float64).
    """
    low = reference.select(pl.col(name).fill_nan(None).quantile(_OUTER) for name in features).row(0, named=True)
    high = reference.select(pl.col(name).fill_nan(None).quantile(1 - _OUTER) for name in features).row(0, named=True)
    shares = _shares(windows, features, low, high)
    return add_limits(shares, _shares(reference, features, low, high), floor=_FLOOR, minimum_rows=minimum_rows)


def _shares(
    frame: pl.DataFrame, features: Sequence[str], low: dict[str, float | None], high: dict[str, float | None]
) -> pl.DataFrame:
    shares: list[tuple[str, str, str, float, int]] = []
    for window, rows in by_window(frame):
        for name in features:
            column = rows[name].fill_nan(None)
            bottom, top = low[name], high[name]
            outside = (column < bottom) | (column > top) if bottom is not None and top is not None else None
            count = int(outside.sum() or 0) if outside is not None else 0
            shares.append((window, name, "missing_share", column.null_count() / rows.height, rows.height))
            shares.append((window, name, "out_of_range_share", count / rows.height, rows.height))
    return values_frame(shares)
