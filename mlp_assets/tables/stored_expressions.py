"""Polars expressions as text. They are stored beside what they computed, so that it can be computed again later."""

import io
import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from mlp_assets.errors import MlpError

_FOREIGN = {"AnonymousFunction", "AnonymousAgg", "FfiPlugin"}  # Python that would be unpickled, or a native library


class UnreadableExpressionError(MlpError):
    """A stored expression calls code that is not part of Polars, or another release of Polars wrote it."""


def expression_to_text(expression: pl.Expr) -> str | None:
    """The expression as JSON; None if it calls a Python function or a plugin: a text cannot hold those."""
    text = expression.meta.serialize(format="json")
    return None if _is_foreign(json.loads(text)) else text


def expression_from_text(text: str) -> pl.Expr:
    """The expression of ``expression_to_text``.

    Raises:
        UnreadableExpressionError: it calls code that is not part of Polars, or this release of Polars cannot read it.
    """
    try:
        if _is_foreign(json.loads(text)):
            raise UnreadableExpressionError("A stored expression calls a Python function or a plugin.")
        return pl.Expr.deserialize(io.StringIO(text), format="json")
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise UnreadableExpressionError(f"Polars {pl.__version__} cannot read a stored expression: {error}") from error


def expressions_to_texts(expressions: Mapping[str, pl.Expr]) -> dict[str, str] | None:
    """Name -> JSON; None if one of the expressions cannot be stored."""
    texts = {name: expression_to_text(expression) for name, expression in expressions.items()}
    stored = {name: text for name, text in texts.items() if text is not None}
    return stored if len(stored) == len(texts) else None


def expressions_from_texts(texts: Mapping[str, str]) -> dict[str, pl.Expr]:
    """The inverse of ``expressions_to_texts``. Raises UnreadableExpressionError."""
    return {name: expression_from_text(text) for name, text in texts.items()}


def _is_foreign(node: Any) -> bool:
    if isinstance(node, dict):
        return not _FOREIGN.isdisjoint(node) or any(map(_is_foreign, node.values()))
    return isinstance(node, list) and any(map(_is_foreign, node))
