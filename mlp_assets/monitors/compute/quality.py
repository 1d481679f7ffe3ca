"""Data quality by feature and window: the share of missing values, and of values outside the reference's range."""

from collections.abc import Mapping, Sequence

import polars as pl

from mlp_assets.metrics.window_figures import add_limits, no_figures, values_frame
from mlp_assets.tables.batches import column_groups

_FLOOR = 0.05
_OUTER = 0.001
_Range = tuple[float | None, float | None]


def quality_figures(
    reference: pl.LazyFrame, windows: pl.LazyFrame, features: Sequence[str], *, minimum_rows: int
) -> pl.DataFrame:
    """Figures of the methods ``missing_share`` and ``out_of_range_share``.

    The range of a feature excludes the outermost 0.1 % of the reference's values on each side.

    Args:
        reference, windows: rows with ``window`` (String) and the features. Those that are texts have no range.
    """
    figures: list[pl.DataFrame] = []
    for names in column_groups(features):
        texts = {name for name in names if reference.collect_schema()[name] == pl.String}
        values = {name: pl.col(name) if name in texts else pl.col(name).fill_nan(None) for name in names}
        columns = reference.select(**{name: values[name] for name in names if name not in texts}).collect()
        ranges = {name: None if name in texts else _range(columns[name]) for name in names}
        shares = (_shares(rows.select("window", **values), ranges) for rows in (windows, reference))
        figures.append(add_limits(*shares, floor=_FLOOR, minimum_rows=minimum_rows))
    return pl.concat(figures) if figures else no_figures()


def _range(column: pl.Series) -> _Range:
    return column.quantile(_OUTER), column.quantile(1 - _OUTER)


def _shares(rows: pl.LazyFrame, ranges: Mapping[str, _Range | None]) -> pl.DataFrame:
    counts = {"rows": pl.len()}
    for name, each in ranges.items():
        column = pl.col(name)
        counts[f"{name} missing"] = column.null_count()
        if each is not None:
            bottom, top = each
            known = bottom is not None and top is not None
            counts[f"{name} outside"] = ((column < bottom) | (column > top)).sum() if known else pl.lit(0)
    by_window = rows.group_by("window").agg(**counts).sort("window").collect(engine="streaming")
    return values_frame(
        (row["window"], name, method, row[f"{name} {count}"] / row["rows"], row["rows"])
        for row in by_window.iter_rows(named=True)
        for name in ranges
        for count, method in (("missing", "missing_share"), ("outside", "out_of_range_share"))
        if f"{name} {count}" in row
    )
