"""The signature and the input example of a registered version, as MLflow shows them and checks inputs by them."""

from collections.abc import Sequence
from typing import Any

import polars as pl


def signature_of(inputs: pl.DataFrame, classes: Sequence[Any]) -> Any:
    """One column for each input, by its own type, and those of the answer."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema

    answers = {"prediction": pl.Series(classes).dtype if classes else pl.Float64()}
    answers |= {"probability": pl.Float64()} if classes else {}
    options = [ParamSpec("probabilities", "boolean", default=False)] if classes else []
    return ModelSignature(Schema(_columns(inputs.schema)), Schema(_columns(answers)), ParamSchema(options))


def example_of(inputs: pl.DataFrame) -> Any:
    """The rows for MLflow, which reads pandas. Lists stay lists."""
    import pandas as pd

    return pd.DataFrame(inputs.to_dict(as_series=False))


def _columns(types: Any) -> list[Any]:
    from mlflow.types import ColSpec

    return [ColSpec(_type_of(dtype), name=name) for name, dtype in types.items()]


def _type_of(dtype: pl.DataType) -> Any:
    from mlflow.types import DataType
    from mlflow.types.schema import Array

    if isinstance(dtype, pl.List | pl.Array):
        return Array(DataType.double)
    if dtype.is_integer():
        return DataType.long
    if dtype == pl.Boolean:
        return DataType.boolean
    return DataType.string if dtype == pl.String else DataType.double
