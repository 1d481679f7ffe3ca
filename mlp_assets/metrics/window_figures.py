"""The one form of every monitored figure: a row for each window, feature and method."""

from collections.abc import Sequence

import polars as pl

TIDY_SCHEMA: dict[str, pl.DataType] = {
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
_TIMES_REFERENCE = 2.0
_DEVIATIONS = 3.0


def tidy(
    windows: pl.DataFrame, reference: pl.DataFrame, *, floor: float, minimum_rows: int, one_sided: bool = True
) -> pl.DataFrame:
    """Judges the windows' values by those of the reference windows.

    Args:
        windows: (window, feature, method, value, rows).
        reference: (feature, method, value), each reference window scored against the others, so that the values
            show how far one ordinary window lies from the rest.
        floor: the smallest limit, below which a distance means nothing.
        minimum_rows: a window of fewer rows has no verdict.
        one_sided: limit twice the largest reference value, but no further than half-way from it to 1 (distances and
            shares, which end at 1); else the reference's mean and three standard deviations on both sides (metrics).
    """
    value = pl.col("value")
    reference = reference.filter(value.is_not_null() & value.is_not_nan())
    if one_sided:
        largest = value.max()
        reachable = pl.min_horizontal(largest * _TIMES_REFERENCE, (largest + 1.0) / 2)
        upper = pl.max_horizontal(reachable, pl.lit(floor))
        limits = reference.group_by("feature", "method").agg(reference=value.median(), lower=None, upper=upper)
    else:
        spread = _DEVIATIONS * value.std()
        limits = reference.group_by("feature", "method").agg(
            reference=value.median(), lower=value.mean() - spread, upper=value.mean() + spread
        )
    limited = pl.col("upper").is_not_null() & (pl.lit(one_sided) | pl.col("lower").is_not_null())
    judged = windows.join(limits, on=["feature", "method"], how="left").with_columns(
        sufficient=(pl.col("rows") >= minimum_rows) & value.is_not_null() & value.is_not_nan() & limited
    )
    outside = (value > pl.col("upper")).fill_null(False) | (value < pl.col("lower")).fill_null(False)
    return judged.with_columns(
        value=pl.when("sufficient").then(value), exceeded=pl.when("sufficient").then(outside)
    ).select(pl.col(name).cast(dtype) for name, dtype in TIDY_SCHEMA.items())


def empty() -> pl.DataFrame:
    """No rows yet."""
    return pl.DataFrame(schema=TIDY_SCHEMA)


def by_window(frame: pl.DataFrame, windows: Sequence[str] | None = None) -> list[tuple[str, pl.DataFrame]]:
    """(window, its rows), in order of time."""
    parts = {str(part["window"][0]): part for part in frame.partition_by("window", maintain_order=True)}
    return [(window, parts[window]) for window in sorted(windows if windows is not None else parts) if window in parts]
