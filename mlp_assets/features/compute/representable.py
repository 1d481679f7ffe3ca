"""Refuses integers that a feature, a 64-bit float, would round: two ids could become one."""

from collections.abc import Mapping

import polars as pl

from mlp_assets.errors import MlpError
from mlp_assets.exact_numbers import first_rounded
from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.feature_view import FeatureView


class RoundedValueError(MlpError):
    """A feature would be another number than the value that it was taken from."""


def check_representable(view: FeatureView, parts: Mapping[str, Aggregation], contents: pl.DataFrame) -> None:
    """Checks the features that are the value of one event.

    Args:
        parts: column of ``contents`` -> the aggregation of which it holds the values.

    Raises:
        RoundedValueError: a value is beyond 2^53.
    """
    for place, part in parts.items():
        if not part.traits.of_one_event or not contents.schema[place].is_integer():
            continue
        beyond = first_rounded(contents[place])
        if beyond is not None:
            feature = next(name for name, each in view.exact_features.items() if part in each.parts)
            raise RoundedValueError(
                f"{view.where}, feature {feature!r}: mlp.{part.kind} takes the value {beyond}. A feature is a 64-bit "
                f"float, which would hold it as {int(float(beyond))}: beyond 2^53, two values may become one. Write an "
                "expression of smaller numbers, such as pl.col('id') % 2**32, or pl.col('nanoseconds') // 1_000_000."
            )
