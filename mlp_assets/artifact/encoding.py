"""Inputs of a model -> the matrix that it is given: fitted on the training rows, and the same wherever it is used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.tokens import FittedTokens, fitted_tokens
from mlp_assets.errors import MlpError
from mlp_assets.nouns.encoders import Categories, Encoder, Standardized, Tokens, Vector

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class FittedCategories:
    """The values that have a number, the first 1."""

    values: Sequence[Any]
    kind: ClassVar[str] = "categories"
    width: ClassVar[int] = 1

    @cached_property
    def codes(self) -> dict[Any, int]:
        return {value: number for number, value in enumerate(self.values, 1)}

    def encoded(self, values: Sequence[Any]) -> Matrix:
        return np.fromiter((self.codes.get(value, 0) for value in values), np.float64, len(values))[:, None]


@dataclass(frozen=True)
class FittedStandardized:
    """Mean and standard deviation of the training rows."""

    mean: float
    deviation: float
    kind: ClassVar[str] = "standardized"
    width: ClassVar[int] = 1

    def encoded(self, values: Sequence[Any]) -> Matrix:
        numbers = _numbers(values)
        return ((numbers - self.mean) / self.deviation)[:, None]


@dataclass(frozen=True)
class FittedVector:
    """Lists of so many numbers."""

    width: int
    kind: ClassVar[str] = "vector"

    def encoded(self, values: Sequence[Any]) -> Matrix:
        """Raises MlpError for a list of another size."""
        made = np.full((len(values), self.width), np.nan)
        for row, value in enumerate(values):
            if value is None or not len(value):
                continue
            if len(value) != self.width:
                raise MlpError(f"a list has {len(value)} numbers where mlp.Vector(size={self.width}) is declared")
            made[row] = _numbers(value)
        return made


Fitted = FittedCategories | FittedStandardized | FittedTokens | FittedVector
_KINDS: Mapping[str, Callable[..., Fitted]] = {
    one.kind: one for one in (FittedCategories, FittedStandardized, FittedTokens, FittedVector)
}


@dataclass(frozen=True)
class Encoding:
    """The inputs of a model by name, and the encoders of some of them. Those without one are numbers as they are."""

    inputs: tuple[str, ...]
    encoders: Mapping[str, Fitted] = field(default_factory=dict[str, Fitted])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the matrix; those of a vector or of tokens are ``name[0]``, ``name[1]``."""
        named = ([name] if width == 1 else [f"{name}[{n}]" for n in range(width)] for name, width in self.widths)
        return tuple(column for columns in named for column in columns)

    @property
    def widths(self) -> list[tuple[str, int]]:
        return [(name, self.encoders[name].width if name in self.encoders else 1) for name in self.inputs]

    @cached_property
    def places(self) -> Mapping[str, slice]:
        """Input -> its columns of the matrix."""
        ends = np.cumsum([width for _, width in self.widths])
        return {name: slice(int(end) - width, int(end)) for (name, width), end in zip(self.widths, ends, strict=True)}

    def only(self, inputs: Sequence[str]) -> "Encoding":
        return Encoding(tuple(inputs), {name: self.encoders[name] for name in inputs if name in self.encoders})

    def matrix(self, rows: pl.DataFrame) -> Matrix:
        """(rows, columns) with NaN for missing, as a request gives them."""
        if not self.encoders:
            return rows.select(pl.col(self.inputs).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
        return self.of(rows.height, {name: rows[name] for name in self.inputs})

    def of(self, count: int, values: Mapping[str, Any]) -> Matrix:
        """The same of columns of values. Raises MlpError, naming the input, where one cannot be encoded."""
        made = np.empty((count, len(self.columns)))
        for name, place in self.places.items():
            made[:, place] = self.block(name, values[name])
        return made

    def block(self, name: str, values: Any) -> Matrix:
        """(rows, width) of one input."""
        if name not in self.encoders:
            return _numbers(values)[:, None]
        try:
            return self.encoders[name].encoded(values.to_list() if isinstance(values, pl.Series) else values)
        except MlpError as error:
            raise MlpError(f"Input {name!r}: {error}.") from error

    def told(self) -> dict[str, Any]:
        """The encoders as plain data."""
        return {name: {"kind": one.kind} | asdict(one) for name, one in self.encoders.items()}

    @classmethod
    def of_told(cls, inputs: Sequence[str], told: Mapping[str, Mapping[str, Any]]) -> "Encoding":
        """Raises MlpError where it is not what ``told`` gave."""
        try:
            made = {name: _of_told(**one) for name, one in told.items()}
        except (KeyError, TypeError) as error:
            raise MlpError(f"The encoders are not this platform's: {error}.") from error
        return cls(tuple(inputs), made)


def _of_told(kind: str, **told: Any) -> Fitted:
    return _KINDS[kind](**told)


def fitted(inputs: Sequence[str], encode: Mapping[str, Encoder], rows: pl.LazyFrame) -> Encoding:
    """The encoders as the rows tell them; what the rows are in another order changes nothing but a last bit."""
    return Encoding(tuple(inputs), {name: _fitted(encoder, name, rows) for name, encoder in encode.items()})


def _fitted(encoder: Encoder, name: str, rows: pl.LazyFrame) -> Fitted:
    match encoder:
        case Categories():
            counted = rows.filter(pl.col(name).is_not_null()).group_by(name).len().collect()
            return FittedCategories(counted.filter(pl.col("len") >= encoder.min_rows)[name].sort().to_list())
        case Standardized():
            values = _numbers(rows.select(name).collect()[name])
            there = values[np.isfinite(values)]
            deviation = float(there.std()) if there.size else 0.0
            return FittedStandardized(float(there.mean()) if there.size else 0.0, deviation or 1.0)
        case Tokens():
            texts = rows.select(pl.col(name).drop_nulls().unique().sort())
            return fitted_tokens(encoder, lambda: texts.collect()[name].to_list())
        case Vector():
            return FittedVector(encoder.size)


def _numbers(values: Any) -> Matrix:
    if isinstance(values, np.ndarray):
        return cast("Matrix", values).astype(np.float64)
    series = values if isinstance(values, pl.Series) else pl.Series(values=values, dtype=pl.Float64, strict=False)
    return cast("Matrix", series.cast(pl.Float64).fill_null(float("nan")).to_numpy())
