"""The table form of every monitored figure: one row for each window, feature and method."""

from collections.abc import Iterable

import polars as pl

from mlp_assets.nouns.task import HIGHER_IS_BETTER, SHARES

FIGURES_SCHEMA: dict[str, pl.DataType] = {
    "window": pl.String(),
    "feature": pl.String(),
    "method": pl.String(),
    "value": pl.Float64(),
    "reference": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "exceeded": pl.Boolean(),
    "rows": pl.Int64(),
    "sufficient": pl.Boolean(),
}
_VALUES = ("window", "feature", "method", "value", "rows")
_LARGEST_SHARE = 1.0
_TIMES_REFERENCE = 2.0
_DEVIATIONS = 3.0


def values_frame(values: Iterable[tuple[str, str, str, float | None, int]]) -> pl.DataFrame:
    """A frame of (window, feature, method, value, rows): figures before they have limits."""
    return pl.DataFrame(list(values), schema={name: FIGURES_SCHEMA[name] for name in _VALUES}, orient="row")


def reachable(*, one_sided: bool) -> pl.Expr:
    """Whether a value can lie beyond the limits at all. A distance or share ends at 1, a metric at 0 or 1.

    In windows of few rows, the reference's own values spread so far that no other can be told from them.
    """
    upper, lower = pl.col("upper"), pl.col("lower")
    if one_sided:
        return upper < _LARGEST_SHARE
    metric = pl.col("method").str.replace("^(realised|estimated)_", "")
    falls = metric.is_in(HIGHER_IS_BETTER)
    rises = ~metric.is_in(SHARES) | (upper < _LARGEST_SHARE)
    return pl.when(falls).then(lower > 0.0).otherwise(rises)


def add_limits(
    windows: pl.DataFrame, reference: pl.DataFrame, *, floor: float, minimum_rows: int, one_sided: bool = True
) -> pl.DataFrame:
    """Compares the windows' values with limits derived from the reference windows. Returns rows of FIGURES_SCHEMA.

    Args:
        windows: (window, feature, method, value, rows).
        reference: (feature, method, value), each reference window compared with the others, so that the values show
            how far one ordinary window lies from the rest.
        floor: the smallest limit; below it a distance means nothing.
        minimum_rows: windows of fewer rows are not compared. Nor are any, where no value can exceed the limit.
        one_sided: for distances and shares, which end at 1: the limit is twice the largest reference value, but no
            further than half-way from it to 1. Otherwise, for metrics: the mean of the reference values, plus and minus
            three standard deviations.
    """
    value = pl.col("value")
    reference = reference.filter(value.is_not_null() & value.is_not_nan())
    if one_sided:
        largest = value.max()
        below_one = pl.min_horizontal(largest * _TIMES_REFERENCE, (largest + 1.0) / 2)
        upper = pl.max_horizontal(below_one, pl.lit(floor))
        limits = reference.group_by("feature", "method").agg(reference=value.median(), lower=None, upper=upper)
    else:
        spread = _DEVIATIONS * value.std()
        limits = reference.group_by("feature", "method").agg(
            reference=value.median(), lower=value.mean() - spread, upper=value.mean() + spread
        )
    limited = pl.col("upper").is_not_null() & (pl.lit(one_sided) | pl.col("lower").is_not_null())
    there = (pl.col("rows") >= minimum_rows) & value.is_not_null() & value.is_not_nan()
    figures = windows.join(limits, on=["feature", "method"], how="left").with_columns(
        sufficient=there & limited & reachable(one_sided=one_sided)
    )
    outside = (value > pl.col("upper")).fill_null(False) | (value < pl.col("lower")).fill_null(False)
    return figures.with_columns(
        value=pl.when("sufficient").then(value), exceeded=pl.when("sufficient").then(outside)
    ).select(pl.col(name).cast(dtype) for name, dtype in FIGURES_SCHEMA.items())


def no_figures() -> pl.DataFrame:
    """A frame of FIGURES_SCHEMA without rows."""
    return pl.DataFrame(schema=FIGURES_SCHEMA)


def by_window(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """(window, its rows), in order of time."""
    parts = {str(part["window"][0]): part for part in frame.partition_by("window", maintain_order=True)}
    return sorted(parts.items())
