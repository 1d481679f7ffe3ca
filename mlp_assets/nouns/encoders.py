"""Encoders: how an input that is no number, or no number as a model wants it, becomes columns of ``run.train.x``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts

_CATEGORIES = (pl.String, pl.Boolean)
_LONGEST, _SMALLEST = 8192, 512  # of those, 257 are the bytes and what pads


@dataclass(frozen=True)
class Categories:
    """A number for each value of the training rows, from 1 on; 0 for what is missing or was not there.

    Args:
        min_rows: a value of fewer training rows counts as one that was not there.
    """

    min_rows: int = 1


@dataclass(frozen=True)
class Standardized:
    """Mean 0 and standard deviation 1 over the training rows; missing stays missing."""


@dataclass(frozen=True)
class Vector:
    """A list of ``size`` numbers, such as an embedding: as many columns; all missing where the list is.

    Args:
        size: of each list; one of another size is refused.
    """

    size: int


@dataclass(frozen=True)
class Tokens:
    """The numbers of a text's tokens in ``length`` columns, cut or padded; a missing text counts as an empty one.

    Args:
        length: columns, with those of the special tokens.
        tokenizer: gives the path of a ``tokenizer.json`` (of the library ``tokenizers``), as pretrained encoders have
            one; None learns one (of byte pairs) from the training rows.
        vocabulary: how many tokens a tokenizer that is learnt may have.
    """

    length: int
    tokenizer: Callable[[], Path] | None = None
    vocabulary: int = 8192


Encoder = Categories | Standardized | Tokens | Vector


def encoder_problems(
    where: str, encode: Mapping[str, Encoder], types: Mapping[str, Any], features: Sequence[str]
) -> list[Problem]:
    """What is wrong with a model's encoders.

    Args:
        types: name -> Polars type, of the keys and features of its training set.
    """
    found = texts.column_problems(f"{where}, encode", list(encode), types, "its training set")
    for name, encoder in encode.items():
        if name in types:
            found += _unfit(f"{where}, encode[{name!r}]", encoder, types[name])
    for name in features:
        if name not in encode and not _is_number(dtype := types[name]):
            like = "mlp.Vector(size=64)" if _is_list(dtype) else "mlp.Categories()"
            what = f"{name!r} is pl.{dtype}, and a model is given numbers"
            found.append(Problem(where, what, f"Write encode={{{name!r}: {like}}}, say."))
    return found


def _unfit(spot: str, encoder: Encoder, dtype: Any) -> list[Problem]:
    what = f"{type(encoder).__name__} does not fit a column of pl.{dtype}"
    match encoder:
        case Categories():
            if encoder.min_rows < 1:
                return [Problem(spot, f"min_rows={encoder.min_rows} is too few", "Write min_rows=1 or more.")]
            fits = dtype in _CATEGORIES or dtype.is_integer()
            return [] if fits else [Problem(spot, what, "Encode texts, whole numbers or truth values so.")]
        case Standardized():
            fits = _is_number(dtype)
            return [] if fits else [Problem(spot, what, "Encode numbers so; texts with mlp.Categories().")]
        case Tokens():
            return _tokens_problems(spot, encoder) + _text_problems(spot, what, dtype)
        case Vector():
            if encoder.size < 1:
                return [Problem(spot, f"size={encoder.size} is too small", "Write size=1 or more.")]
            fits = _is_list(dtype) and _is_number(dtype.inner)
            return [] if fits else [Problem(spot, what, "Declare the column as pl.List(pl.Float64).")]


def _text_problems(spot: str, what: str, dtype: Any) -> list[Problem]:
    return [] if dtype == pl.String else [Problem(spot, what, "Encode texts so; declare the column as pl.String.")]


def _tokens_problems(spot: str, encoder: Tokens) -> list[Problem]:
    found = texts.function_problems(spot, "tokenizer", encoder.tokenizer)
    if not 1 <= encoder.length <= _LONGEST:
        what = f"length={encoder.length} is not between 1 and {_LONGEST}"
        found.append(Problem(spot, what, "Write length=64, say."))
    if encoder.vocabulary < _SMALLEST:
        what = f"vocabulary={encoder.vocabulary} is too small"
        found.append(Problem(spot, what, f"Write vocabulary={_SMALLEST} or more."))
    return found


def _is_number(dtype: Any) -> bool:
    return dtype == pl.Boolean or dtype.is_numeric()


def _is_list(dtype: Any) -> bool:
    return isinstance(dtype, pl.List)
