"""The types in which the platform holds columns: those that Delta tables have.

Delta has no unsigned integers, categories and arrays of a fixed length. Columns of such types are held in the next type
that has all their values.
"""

from collections.abc import Mapping
from typing import Any, cast

import polars as pl

_HELD: Mapping[Any, pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}
# Type -> what to write instead, for types whose values no type of Delta has.
_INSTEAD: Mapping[Any, str] = {
    pl.UInt64: "pl.Int64 with .reinterpret(signed=True), or pl.String",
    pl.Int128: "pl.Int64, pl.Float64 or pl.String",
    pl.UInt128: "pl.Int64, pl.Float64 or pl.String",
    pl.Float16: "pl.Float32",
    pl.Time: "pl.Int64, the microseconds since midnight",
    pl.Duration: "pl.Int64, the microseconds",
    pl.Null: "the type that its values would have",
    pl.Object: "pl.String",
}


def held_type(dtype: Any) -> Any:
    """The type in which values of a type are held. What is no type of Polars, or has none, is returned as it is."""
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(held_type(cast("Any", dtype).inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: held_type(field.dtype) for field in dtype.fields})
    return _HELD.get(_base(dtype), dtype)


def not_held(dtype: Any) -> str | None:
    """What to write instead of a type that Delta tables cannot hold, or that holds one; None for any other."""
    if isinstance(dtype, pl.List | pl.Array):
        return not_held(cast("Any", dtype).inner)
    if isinstance(dtype, pl.Struct):
        return next(filter(None, (not_held(field.dtype) for field in dtype.fields)), None)
    return _INSTEAD.get(_base(dtype))


def _base(dtype: Any) -> Any:
    return dtype.base_type() if isinstance(dtype, pl.DataType) else dtype
