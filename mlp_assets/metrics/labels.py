"""Which values of a target are labels."""

from collections.abc import Collection

import polars as pl


def is_label(target: str, dtype: pl.DataType, values: Collection[float] | None = None) -> pl.Expr:
    """Whether a row has a label: it is not null, and a number is finite. NaN and infinity say nothing.

    Args:
        dtype: the type of the target.
        values: the only labels that exist; None where any is one.
    """
    column = pl.col(target)
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        return column.is_not_null()
    number = column.cast(pl.Float64)
    present = number.is_finite().fill_null(value=False)
    return present if values is None else present & number.is_in(list(values))


def no_labels(rows: pl.LazyFrame, target: str, values: Collection[float] | None = None) -> dict[str, int]:
    """What the rows hold instead of a label -> in how many rows: ``null``, ``NaN``, ``infinite`` or ``other``."""
    dtype = rows.collect_schema()[target]
    number = pl.col(target).cast(pl.Float64) if dtype.is_numeric() else pl.lit(0.0)
    kind = (
        pl.when(pl.col(target).is_null())
        .then(pl.lit("null"))
        .when(number.is_nan())
        .then(pl.lit("NaN"))
        .when(number.is_infinite())
        .then(pl.lit("infinite"))
        .otherwise(pl.lit("other"))
    )
    left_out = rows.filter(~is_label(target, dtype, values)).group_by(kind=kind).agg(rows=pl.len())
    return dict(left_out.sort("kind").collect(engine="streaming").iter_rows())
