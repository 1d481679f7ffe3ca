"""Checks of a view's features: can each aggregation be computed from the columns of the source?"""

from collections.abc import Collection
from typing import Protocol

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.aggregation import Aggregation, Feature
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.source import Columns, is_number, type_name


class Rows(Protocol):
    """What has rows to aggregate: a source, or another view."""

    @property
    def where(self) -> str: ...
    @property
    def columns(self) -> Columns: ...


def feature_problems(view: str, name: str, feature: Feature, rows: Rows, taken: Collection[str]) -> list[Problem]:
    """What is wrong with one feature of a view.

    Args:
        taken: names that a feature may not have, beside the reserved ones.
    """
    where = f"{view}, feature {name!r}"
    found = texts.name_problems(where, name)
    if name in texts.RESERVED_COLUMNS or name in taken:
        found.append(Problem(where, "the name is taken by a key or a reserved column", "Choose another name."))
    if feature.owner is not None:
        found += texts.owner_problems(where, feature.owner)
    found += texts.tag_problems(where, feature.tags)
    for part in feature.parts:
        found += _part_problems(where, part, rows)
    return found


def _part_problems(where: str, part: Aggregation, rows: Rows) -> list[Problem]:
    if part.column is None and part.traits.needs_column:
        fix = f"Write mlp.{part.kind}('amount', over={part.over!r}), say."
        return [Problem(where, f"mlp.{part.kind} has no column", fix)]
    found = texts.duration_problems(where, "over", part.over)
    if part.over is None and part.traits.needs_window:
        found.append(Problem(where, f"mlp.{part.kind} has no window", "Write over='30d', say."))
    found += texts.column_problems(where, part.columns, rows.columns, rows.where)
    if found:
        return found
    if part.until is not None and rows.columns[part.until] != pl.Datetime:
        what = f"until={part.until!r} is {type_name(rows.columns[part.until])}, and a time is wanted"
        found.append(Problem(where, what, f"Write columns={{{part.until!r}: pl.Datetime}} in the source."))
    if part.where is not None:
        found += _type_problems(where, "where", part.where, rows, [pl.Boolean])
    if part.value is not None and part.traits.numbers_only:
        found += _column_problems(where, part, rows)
    if part.value is not None and not part.traits.from_partials:
        found += _aggregate_problems(where, part.value, rows)
    return found


def _column_problems(where: str, part: Aggregation, rows: Rows) -> list[Problem]:
    fix = "Write a column of pl.Float64, pl.Int64 or pl.Boolean; turn what is no number into one in the source."
    if isinstance(part.column, str):
        dtype = rows.columns[part.column]
        what = f"column {part.column!r} is {type_name(dtype)}, which is no number"
        return [] if is_number(dtype) else [Problem(where, what, fix)]
    return _type_problems(where, "column", part.column, rows, None) if part.column is not None else []


def _type_problems(
    where: str, what: str, expression: pl.Expr, rows: Rows, wanted: list[type[pl.DataType]] | None
) -> list[Problem]:
    """Computes an expression on a table of the columns without rows: it must give one truth value, or one number."""
    try:
        found = _empty(rows).select(expression).dtypes
    except pl.exceptions.PolarsError as error:
        told = str(error).splitlines()[0]
        return [Problem(where, f"{what} cannot be computed: {told}", "Mend it; times are in UTC.")]
    if found == wanted or (wanted is None and len(found) == 1 and is_number(found[0])):
        return []
    given = ", ".join(type_name(dtype) for dtype in found)
    if wanted is None:
        fix = "Write an expression of one number for each row, such as pl.col('price') * pl.col('units')."
        return [Problem(where, f"{what} gives {given}, and one number is wanted", fix)]
    fix = "Write a condition, such as pl.col('amount') > 1."
    return [Problem(where, f"{what} gives {given}, and one truth value is wanted", fix)]


def _aggregate_problems(where: str, expression: pl.Expr, rows: Rows) -> list[Problem]:
    """Of a window's events an own expression makes one number: tried on a table of one empty row."""
    found = _type_problems(where, "mlp.expression", expression, rows, None)
    if found:
        return found
    table = _empty(rows).clear(2).with_columns(__group=pl.lit(0))
    try:
        made = table.group_by("__group").agg(__made=expression)["__made"]
    except pl.exceptions.PolarsError as error:
        made, told = None, str(error).splitlines()[0]
        return [Problem(where, f"mlp.expression cannot be computed: {told}", "Mend it; times are in UTC.")]
    if isinstance(made.dtype, pl.List):
        fix = "Write an aggregate, such as pl.col('amount').quantile(0.9)."
        return [Problem(where, "mlp.expression gives a value for each event, and one for the window is wanted", fix)]
    return []


def _empty(rows: Rows) -> pl.DataFrame:
    utc = pl.Datetime("us", "UTC")
    return pl.DataFrame(schema={name: utc if dtype == pl.Datetime else dtype for name, dtype in rows.columns.items()})
