"""Derived features: the one function that applies a project's expressions, for tables and for requests alike."""

from collections.abc import Iterable, Mapping

import polars as pl


def with_derived(frame: pl.DataFrame, expressions: Mapping[str, pl.Expr], numbers: Iterable[str]) -> pl.DataFrame:
    """The frame with its numbers made ready and the derived features added.

    NaN and infinity become null before and after each expression: the online store cannot tell NaN from null, so an
    expression that could would give another value in training than in a request.

    Every row has the same bits, whatever rows stand beside it. Polars multiplies a column by the reciprocal of a
    constant divisor, and divides a single value (a chunk or a lazy engine's piece of one row, a column kept as one
    repeated value): the last bit of a request for one row would differ from that of a training row. So the frame is
    not lazy, and each column is written out in one chunk, with two rows at least.

    Args:
        frame: the columns that the expressions may read.
        expressions: feature name -> expression over those columns and the features derived before it.
        numbers: the features and request columns, which become Float64; keys and times keep their type.
    """
    twice = 2 if frame.height == 1 else 1
    written_out = pl.DataFrame([pl.concat([column] * twice).rechunk() for column in frame])
    made = written_out.with_columns(_finite(pl.col(name)).alias(name) for name in numbers)
    for batch in _batches(expressions):
        made = made.with_columns(**{name: _finite(expression) for name, expression in batch.items()})
    return made.head(frame.height)


def _batches(expressions: Mapping[str, pl.Expr]) -> list[dict[str, pl.Expr]]:
    """The expressions in their order, those together that do not read each other: a request waits for each pass."""
    batches: list[dict[str, pl.Expr]] = []
    for name, expression in expressions.items():
        if not batches or not batches[-1].keys().isdisjoint(expression.meta.root_names()):
            batches.append({})
        batches[-1][name] = expression
    return batches


def _finite(expression: pl.Expr) -> pl.Expr:
    number = expression.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)
