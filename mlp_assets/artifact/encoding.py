"""Encoders of a model's inputs: fitted on the training rows, and the same in training, judging and serving."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.tokens import FittedTokens, distinct_texts, fit_tokens
from mlp_assets.errors import MlpError
from mlp_assets.metrics.classes import check_told_apart
from mlp_assets.nouns.encoders import Categories, Encoder, Standardized, Tokens, Vector
from mlp_assets.tables.batches import column_batches

Matrix = NDArray[np.float64]
# 32 MB of numbers. Fixed, so that a fit does not depend on the memory of the machine.
_ROWS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class FittedCategories:
    """Numbers the values from 1 in this order; every other value is 0."""

    values: Sequence[Any]
    kind: ClassVar[str] = "categories"
    width: ClassVar[int] = 1

    @cached_property
    def codes(self) -> dict[Any, int]:
        return {value: number for number, value in enumerate(self.values, 1)}

    def encode(self, values: Sequence[Any]) -> Matrix:
        """(rows, 1)."""
        return np.fromiter((self.codes.get(value, 0) for value in values), np.float64, len(values))[:, None]


@dataclass(frozen=True)
class FittedStandardized:
    """Subtracts the mean of the training rows and divides by their standard deviation."""

    mean: float
    deviation: float
    kind: ClassVar[str] = "standardized"
    width: ClassVar[int] = 1

    def encode(self, values: Sequence[Any]) -> Matrix:
        """(rows, 1)."""
        return ((_numbers(values) - self.mean) / self.deviation)[:, None]


@dataclass(frozen=True)
class FittedVector:
    """Spreads lists of ``width`` numbers over as many columns; a missing or empty list is NaN in all of them."""

    width: int
    kind: ClassVar[str] = "vector"

    def encode(self, values: Sequence[Any]) -> Matrix:
        """(rows, width). Raises MlpError for a list of another size."""
        matrix = np.full((len(values), self.width), np.nan)
        for row, value in enumerate(values):
            if value is None or not len(value):
                continue
            if len(value) != self.width:
                raise MlpError(f"a list has {len(value)} numbers where mlp.Vector(size={self.width}) is declared")
            matrix[row] = _numbers(value)
        return matrix


Fitted = FittedCategories | FittedStandardized | FittedTokens | FittedVector
_KINDS: Mapping[str, Callable[..., Fitted]] = {
    fitted.kind: fitted for fitted in (FittedCategories, FittedStandardized, FittedTokens, FittedVector)
}


@dataclass(frozen=True)
class Encoding:
    """The inputs of a model by name, and the encoders of some of them. An input without one is a number."""

    inputs: tuple[str, ...]
    encoders: Mapping[str, Fitted] = field(default_factory=dict[str, Fitted])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the matrix's columns; a vector or tokens give ``name[0]``, ``name[1]`` and so on."""
        named = ([name] if width == 1 else [f"{name}[{n}]" for n in range(width)] for name, width in self.widths)
        return tuple(column for columns in named for column in columns)

    @property
    def widths(self) -> list[tuple[str, int]]:
        """Input -> how many columns it has."""
        return [(name, self.encoders[name].width if name in self.encoders else 1) for name in self.inputs]

    @cached_property
    def places(self) -> Mapping[str, slice]:
        """Input -> its columns of the matrix."""
        ends = np.cumsum([width for _, width in self.widths])
        return {name: slice(int(end) - width, int(end)) for (name, width), end in zip(self.widths, ends, strict=True)}

    def only(self, inputs: Sequence[str]) -> "Encoding":
        """The encoding of some of the inputs."""
        return Encoding(tuple(inputs), {name: self.encoders[name] for name in inputs if name in self.encoders})

    def matrix(self, rows: pl.DataFrame) -> Matrix:
        """Encodes rows with a column for each input: (rows, columns), NaN for missing, as a request gives them."""
        if not self.encoders:
            return rows.select(pl.col(self.inputs).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
        return self.matrix_of(rows.height, {name: rows[name] for name in self.inputs})

    def matrix_of(self, count: int, values: Mapping[str, Any]) -> Matrix:
        """Like ``matrix``, but from a mapping of input name to ``count`` values.

        Raises:
            MlpError: an input cannot be encoded; the message names it.
        """
        matrix = np.empty((count, len(self.columns)))
        for name, place in self.places.items():
            matrix[:, place] = self.block(name, values[name])
        return matrix

    def block(self, name: str, values: Any) -> Matrix:
        """The columns of one input, (rows, width). Raises MlpError, naming the input, where it cannot be encoded."""
        if name not in self.encoders:
            return _numbers(values)[:, None]
        try:
            return self.encoders[name].encode(values.to_list() if isinstance(values, pl.Series) else values)
        except MlpError as error:
            raise MlpError(f"Input {name!r}: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """The encoders as plain data, the form of ``encoders.json``."""
        return {name: {"kind": fitted.kind} | asdict(fitted) for name, fitted in self.encoders.items()}

    @classmethod
    def from_dict(cls, inputs: Sequence[str], encoders: Mapping[str, Mapping[str, Any]]) -> "Encoding":
        """The inverse of ``to_dict``. Raises MlpError for anything else."""
        try:
            fitted = {name: _fitted_of(**written) for name, written in encoders.items()}
        except (KeyError, TypeError) as error:
            raise MlpError(f"The encoders are not this platform's: {error}.") from error
        return cls(tuple(inputs), fitted)


def _fitted_of(kind: str, **values: Any) -> Fitted:
    return _KINDS[kind](**values)


def fit_encoders(
    inputs: Sequence[str],
    encode: Mapping[str, Encoder],
    rows: pl.LazyFrame,
    note: Callable[[str], None] = lambda _: None,
) -> Encoding:
    """Fits the encoders on ``rows``. Row order changes results by at most one ulp.

    One column is read at a time, in batches of 4 million values. Distinct categories are held in memory, and at most
    64 MB of distinct texts (see ``distinct_texts``).

    Args:
        note: called with a sentence for each encoder that was fitted on a sample.
    """
    return Encoding(tuple(inputs), {name: _fit(encoder, name, rows, note) for name, encoder in encode.items()})


def _fit(encoder: Encoder, name: str, rows: pl.LazyFrame, note: Callable[[str], None]) -> Fitted:
    match encoder:
        case Categories():
            counted = rows.filter(pl.col(name).is_not_null()).group_by(name).len().collect(engine="streaming")
            check_told_apart(counted[name], "a training set holds numbers of a request as 64-bit floats")
            return FittedCategories(counted.filter(pl.col("len") >= encoder.min_rows)[name].sort().to_list())
        case Standardized():
            return _fit_standardized(lambda: column_batches(rows, name, _ROWS_AT_ONCE))
        case Tokens():
            return fit_tokens(encoder, lambda: distinct_texts(rows, name, note))
        case Vector():
            return FittedVector(encoder.size)


def _fit_standardized(column: Callable[[], Iterator[pl.Series]]) -> FittedStandardized:
    """Two passes: the mean, then the squared distances from it, as ``numpy.std`` computes them."""
    count, total, squares = 0, 0.0, 0.0
    for values in map(_finite, column()):
        count, total = count + values.size, total + float(values.sum())
    if not count:
        return FittedStandardized(0.0, 1.0)
    mean = total / count
    for values in map(_finite, column()):
        distances = values - mean
        squares += float((distances * distances).sum())
    return FittedStandardized(mean, float(np.sqrt(squares / count)) or 1.0)


def _finite(batch: pl.Series) -> Matrix:
    values = _numbers(batch)
    return values[np.isfinite(values)]


def _numbers(values: Any) -> Matrix:
    if isinstance(values, np.ndarray):
        return cast("Matrix", values).astype(np.float64)
    series = values if isinstance(values, pl.Series) else pl.Series(values=values, dtype=pl.Float64, strict=False)
    return cast("Matrix", series.cast(pl.Float64).fill_null(float("nan")).to_numpy())
