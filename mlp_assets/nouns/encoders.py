"""Encoders: how texts, categories, lists and unscaled numbers become columns of ``run.train.x``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts

_CATEGORIES = (pl.String, pl.Boolean)
_MAX_LENGTH = 8192
_MIN_VOCABULARY = 512  # 257 tokens are taken by the bytes and the padding


@dataclass(frozen=True)
class Categories:
    """Numbers the values of the training rows from 1. Missing values and values not seen in training are 0.

    Args:
        min_rows: a value with fewer training rows counts as not seen.
    """

    min_rows: int = 1


@dataclass(frozen=True)
class Standardized:
    """Scales to mean 0 and standard deviation 1 over the training rows. Missing values stay missing."""


@dataclass(frozen=True)
class Vector:
    """A list of ``size`` numbers, such as an embedding, as ``size`` columns. A missing list makes all of them missing.

    Args:
        size: length of every list. A list of another length is refused.
    """

    size: int


@dataclass(frozen=True)
class Tokens:
    """The token ids of a text in ``length`` columns, truncated or padded. A missing text counts as empty.

    Args:
        length: number of columns, special tokens included.
        tokenizer: returns the path of a ``tokenizer.json`` of the ``tokenizers`` library, as pretrained encoders come
            with. None learns byte pairs from the training rows.
        vocabulary: maximum number of tokens of a learned tokenizer.
    """

    length: int
    tokenizer: Callable[[], Path] | None = None
    vocabulary: int = 8192


Encoder = Categories | Standardized | Tokens | Vector


def encoder_problems(
    where: str, encode: Mapping[str, Encoder], types: Mapping[str, Any], features: Sequence[str]
) -> list[Problem]:
    """Problems of a model's encoders.

    Args:
        types: Polars type of each key and feature of its training set.
    """
    problems = texts.column_problems(f"{where}, encode", list(encode), types, "its training set")
    for name, encoder in encode.items():
        if name in types:
            problems += _misfit(f"{where}, encode[{name!r}]", encoder, types[name])
    for name in features:
        if name not in encode and not _is_number(dtype := types[name]):
            example = "mlp.Vector(size=64)" if _is_list(dtype) else "mlp.Categories()"
            what = f"{name!r} is pl.{dtype}, but a model takes numbers"
            problems.append(Problem(where, what, f"Write encode={{{name!r}: {example}}}, for example."))
    return problems


def _misfit(spot: str, encoder: Encoder, dtype: Any) -> list[Problem]:
    what = f"{type(encoder).__name__} does not fit a column of pl.{dtype}"
    match encoder:
        case Categories():
            if encoder.min_rows < 1:
                return [Problem(spot, f"min_rows={encoder.min_rows} is too few", "Write min_rows=1 or more.")]
            fits = dtype in _CATEGORIES or dtype.is_integer()
            return [] if fits else [Problem(spot, what, "Categories take pl.String, whole numbers and pl.Boolean.")]
        case Standardized():
            fits = _is_number(dtype)
            return [] if fits else [Problem(spot, what, "Use mlp.Categories() for texts.")]
        case Tokens():
            return _tokens_problems(spot, encoder) + _text_problems(spot, what, dtype)
        case Vector():
            if encoder.size < 1:
                return [Problem(spot, f"size={encoder.size} is too small", "Write size=1 or more.")]
            fits = _is_list(dtype) and _is_number(dtype.inner)
            return [] if fits else [Problem(spot, what, "Declare the column as pl.List(pl.Float64).")]


def _text_problems(spot: str, what: str, dtype: Any) -> list[Problem]:
    return [] if dtype == pl.String else [Problem(spot, what, "Tokens take texts: declare the column as pl.String.")]


def _tokens_problems(spot: str, encoder: Tokens) -> list[Problem]:
    problems = texts.function_problems(spot, "tokenizer", encoder.tokenizer)
    if not 1 <= encoder.length <= _MAX_LENGTH:
        what = f"length={encoder.length} is not between 1 and {_MAX_LENGTH}"
        problems.append(Problem(spot, what, "Write length=64, for example."))
    if encoder.vocabulary < _MIN_VOCABULARY:
        what = f"vocabulary={encoder.vocabulary} is too small"
        problems.append(Problem(spot, what, f"Write vocabulary={_MIN_VOCABULARY} or more."))
    return problems


def _is_number(dtype: Any) -> bool:
    return dtype == pl.Boolean or dtype.is_numeric()


def _is_list(dtype: Any) -> bool:
    return isinstance(dtype, pl.List)
