"""A view's definition as text, and the view that such a text describes.

The project file holds today's definition only. A model that was trained on an earlier one still needs its features.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from mlp_assets.nouns.aggregation import Aggregation, Feature, Ratio
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.tables.stored_expressions import (
    expression_from_text,
    expression_to_text,
    expressions_from_texts,
    expressions_to_texts,
)

_EXPRESSION = "expression"


@dataclass(frozen=True)
class StoredDerive:
    """A view's ``derive`` that returns expressions which were read from a text."""

    expressions: Mapping[str, pl.Expr] = field(default_factory=dict[str, pl.Expr])

    def __call__(self) -> Mapping[str, pl.Expr]:
        return self.expressions


def view_document(view: FeatureView) -> str | None:
    """How the view's features are computed, and their TTL, as JSON; None if one calls a Python function."""
    features = {name: _feature_to_dict(feature) for name, feature in view.features.items()}
    derived = expressions_to_texts(view.derived)
    if derived is None or None in features.values():
        return None
    return json.dumps({"features": features, "derived": derived, "ttl": view.ttl, "empty": view.empty})


def view_of_document(
    view: FeatureView, document: str, name: str, source: ViewInput, only: Collection[str] | None = None
) -> FeatureView:
    """The view with the features of a document.

    Args:
        view: today's; its entity and cadence hold.
        source: what it reads.
        only: the features to take; all by default.

    Raises:
        UnreadableExpressionError: this release of Polars cannot read an expression.
    """
    stored = json.loads(document)
    wanted = {*stored["features"], *stored["derived"]} if only is None else set(only)
    features = {each: _feature_of_dict(facts) for each, facts in stored["features"].items() if each in wanted}
    texts = {each: text for each, text in stored["derived"].items() if each in wanted}
    derive = StoredDerive(expressions_from_texts(texts)) if texts else None
    empty = stored.get("empty", "zero")  # earlier releases had nothing else
    return replace(view, name=name, source=source, features=features, derive=derive, ttl=stored["ttl"], empty=empty)


def _feature_to_dict(feature: Feature) -> dict[str, Any] | None:
    if isinstance(feature, Ratio):
        parts = [_feature_to_dict(part) for part in feature.parts]
        return None if None in parts else {"ratio": parts}
    column, where = _stored(feature.column), _stored(feature.where)
    if (column is None) != (feature.column is None) or (where is None) != (feature.where is None):
        return None
    return {"kind": feature.kind, "column": column, "over": feature.over, "until": feature.until, "where": where}


def _feature_of_dict(facts: Mapping[str, Any]) -> Feature:
    if "ratio" in facts:
        numerator, denominator = (_aggregation_of(part) for part in facts["ratio"])
        return Ratio(numerator, denominator)
    return _aggregation_of(facts)


def _aggregation_of(facts: Mapping[str, Any]) -> Aggregation:
    column, where = _restored(facts["column"]), facts["where"]
    condition = expression_from_text(where[_EXPRESSION]) if where is not None else None
    return Aggregation(facts["kind"], column, facts["over"], facts["until"], condition)


def _stored(column: str | pl.Expr | None) -> str | dict[str, str] | None:
    """A name, or an expression as JSON; None for nothing, and for an expression that a text cannot hold."""
    if not isinstance(column, pl.Expr):
        return column
    text = expression_to_text(column)
    return {_EXPRESSION: text} if text is not None else None


def _restored(column: str | Mapping[str, str] | None) -> str | pl.Expr | None:
    return expression_from_text(column[_EXPRESSION]) if isinstance(column, Mapping) else column
