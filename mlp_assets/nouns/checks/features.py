"""Checks that each feature of a view can be computed from the columns of its source."""

from collections.abc import Collection
from typing import Protocol

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.aggregation import Aggregation, Feature
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.source import Columns, column_types, is_number, type_name


class Rows(Protocol):
    """The rows that a view aggregates: those of a source or of another view."""

    @property
    def where(self) -> str: ...
    @property
    def columns(self) -> Columns: ...


def feature_problems(view: str, name: str, feature: Feature, rows: Rows, taken: Collection[str]) -> list[Problem]:
    """Problems of one feature of a view.

    Args:
        taken: names that a feature may not have, besides the reserved ones.
    """
    where = f"{view}, feature {name!r}"
    problems = texts.name_problems(where, name)
    if name in texts.RESERVED_COLUMNS or name in taken:
        problems.append(Problem(where, "the name is taken by a key or a reserved column", "Choose another name."))
    if feature.owner is not None:
        problems += texts.owner_problems(where, feature.owner)
    problems += texts.tag_problems(where, feature.tags)
    for part in feature.parts:
        problems += _part_problems(where, part, rows)
    return problems


def _part_problems(where: str, part: Aggregation, rows: Rows) -> list[Problem]:
    if part.column is None and part.traits.needs_column:
        fix = f"Write mlp.{part.kind}('amount', over={part.over!r}), for example."
        return [Problem(where, f"mlp.{part.kind} has no column", fix)]
    problems = texts.duration_problems(where, "over", part.over)
    if part.over is None and part.traits.needs_window:
        problems.append(Problem(where, f"mlp.{part.kind} has no window", "Write over='30d', for example."))
    problems += texts.column_problems(where, part.columns, rows.columns, rows.where)
    if problems:
        return problems
    if part.until is not None and rows.columns[part.until] != pl.Datetime:
        what = f"until={part.until!r} is {type_name(rows.columns[part.until])}, which is not a time"
        problems.append(Problem(where, what, f"Write columns={{{part.until!r}: pl.Datetime}} in the source."))
    if part.where is not None:
        problems += _type_problems(where, "where", part.where, rows, [pl.Boolean])
    if part.value is not None and part.traits.numbers_only:
        problems += _column_problems(where, part, rows)
    if part.value is not None and not part.traits.from_partials:
        problems += _aggregate_problems(where, part.value, rows)
    return problems


def _column_problems(where: str, part: Aggregation, rows: Rows) -> list[Problem]:
    fix = "Write a column of pl.Float64, pl.Int64 or pl.Boolean; convert other types in the source."
    if isinstance(part.column, str):
        dtype = rows.columns[part.column]
        what = f"column {part.column!r} is {type_name(dtype)}, which is not a number"
        return [] if is_number(dtype) else [Problem(where, what, fix)]
    return _type_problems(where, "column", part.column, rows, None) if part.column is not None else []


def _type_problems(
    where: str, what: str, expression: pl.Expr, rows: Rows, wanted: list[type[pl.DataType]] | None
) -> list[Problem]:
    """On an empty table the expression must return one column: of the ``wanted`` type, or of numbers for None."""
    try:
        dtypes = _empty(rows).select(expression).dtypes
    except pl.exceptions.PolarsError as error:
        return [_not_computable(where, what, error)]
    if dtypes == wanted or (wanted is None and len(dtypes) == 1 and is_number(dtypes[0])):
        return []
    returned = ", ".join(type_name(dtype) for dtype in dtypes)
    if wanted is None:
        fix = "Write an expression of one number for each row, such as pl.col('price') * pl.col('units')."
        return [Problem(where, f"{what} returns {returned}, but must return one number", fix)]
    fix = "Write a condition, such as pl.col('amount') > 1."
    return [Problem(where, f"{what} returns {returned}, but must return one truth value", fix)]


def _aggregate_problems(where: str, expression: pl.Expr, rows: Rows) -> list[Problem]:
    """An expression must reduce the events of a window to one number. Tried on a group of two empty rows."""
    problems = _type_problems(where, "mlp.expression", expression, rows, None)
    if problems:
        return problems
    table = _empty(rows).clear(2).with_columns(__group=pl.lit(0))
    try:
        values = table.group_by("__group").agg(__value=expression)["__value"]
    except pl.exceptions.PolarsError as error:
        return [_not_computable(where, "mlp.expression", error)]
    if isinstance(values.dtype, pl.List):
        fix = "Write an aggregate, such as pl.col('amount').quantile(0.9)."
        return [
            Problem(where, "mlp.expression returns a value for each event, but must return one for the window", fix)
        ]
    return []


def _not_computable(where: str, what: str, error: pl.exceptions.PolarsError) -> Problem:
    reason = str(error).splitlines()[0]
    return Problem(where, f"{what} cannot be computed: {reason}", "Fix the expression. Times are in UTC.")


def _empty(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(schema=column_types(rows.columns))
