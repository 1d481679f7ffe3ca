"""Derived features: one function applies a project's expressions, to tables and to requests."""

from collections.abc import Iterable, Mapping

import polars as pl


def with_derived(frame: pl.DataFrame, expressions: Mapping[str, pl.Expr], numbers: Iterable[str]) -> pl.DataFrame:
    """The frame with its numbers cast to finite Float64 and the derived features added.

    NaN and infinity become null before and after each expression. The online store cannot tell NaN from null, so an
    expression that distinguishes them would give another value in training than in a request.

    A row has the same bits whatever other rows there are. Polars multiplies a column by the reciprocal of a constant
    divisor, but divides a single value (a chunk of one row, or a column stored as one repeated value). The last bit of
    a request for one row would then differ from that of a training row. So the frame is eager, and each column is one
    contiguous chunk of at least two rows.

    Args:
        frame: the columns that the expressions may read.
        expressions: feature name -> expression over those columns and the features derived before it.
        numbers: the features and request columns, which become Float64; keys and times keep their types.
    """
    twice = 2 if frame.height == 1 else 1
    written_out = pl.DataFrame([pl.concat([column] * twice).rechunk() for column in frame])
    derived = written_out.with_columns(_finite(pl.col(name)).alias(name) for name in numbers)
    for batch in _batches(expressions):
        derived = derived.with_columns(**{name: _finite(expression) for name, expression in batch.items()})
    return derived.head(frame.height)


def computable(expressions: Mapping[str, pl.Expr], columns: Iterable[str]) -> dict[str, pl.Expr]:
    """The derived features that can be computed from the columns alone. One may read those before it.

    An expression that selects columns by a pattern would read other columns than it was written for, so it is left out
    unless all others can be computed too.
    """
    known, possible = set(columns), dict[str, pl.Expr]()
    for name, expression in expressions.items():
        if set(expression.meta.root_names()) <= known:
            possible[name] = expression
            known.add(name)
    if len(possible) == len(expressions):
        return possible
    return {name: each for name, each in possible.items() if not each.meta.has_multiple_outputs()}


def _batches(expressions: Mapping[str, pl.Expr]) -> list[dict[str, pl.Expr]]:
    """Groups consecutive expressions that do not read each other: each group costs a request one pass."""
    batches: list[dict[str, pl.Expr]] = []
    for name, expression in expressions.items():
        if not batches or not batches[-1].keys().isdisjoint(expression.meta.root_names()):
            batches.append({})
        batches[-1][name] = expression
    return batches


def _finite(expression: pl.Expr) -> pl.Expr:
    number = expression.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)
