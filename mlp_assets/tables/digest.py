"""The canonical digest of a table: equal for equal content, whatever the order of rows, the pieces, or the files."""

import hashlib
from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

_Words = NDArray[np.uint64]
_BLOCK = 1 << 15  # rows whose hashes stay in a processor's cache
_NULL = np.uint64(0x9E6C63D0876A9A35)
_FOLD, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WRAP = 1 << 64


@dataclass(frozen=True)
class RowSums:
    """What the digest of a table is made of: those of its pieces add up to it.

    Each row has a hash of 64 bits, and the sums (modulo 2**64) of two mixes of it stand for the rows and how often
    each is there. It tells tables apart that differ by accident, not those that somebody made to collide.
    """

    columns: tuple[tuple[str, str], ...]
    rows: int
    first: int
    second: int

    def __add__(self, other: "RowSums") -> "RowSums":
        """Raises ValueError when the pieces are not of one table."""
        if self.columns != other.columns:
            raise ValueError(f"Pieces of different tables do not add up: {self.columns} and {other.columns}.")
        first, second = (self.first + other.first) % _WRAP, (self.second + other.second) % _WRAP
        return RowSums(self.columns, self.rows + other.rows, first, second)

    def digest(self) -> str:
        """SHA-256, in hex, of the schema, the number of rows and the sums."""
        return hashlib.sha256(repr((self.columns, self.rows, self.first, self.second)).encode()).hexdigest()


def canonical_digest(frame: pl.DataFrame) -> str:
    """A digest, in hex, of the schema and the rows.

    Columns count in alphabetical order, nulls differ from every value, floats count by their bits.
    """
    return row_sums(frame).digest()


def row_sums(frame: pl.DataFrame) -> RowSums:
    """The part of the digest that these rows are."""
    columns = tuple((name, str(frame.schema[name])) for name in sorted(frame.columns))
    ready = pl.DataFrame({name: _numbers(frame[name]) for name, _ in columns})
    sums = [_block_sums(ready.slice(begin, _BLOCK)) for begin in range(0, ready.height, _BLOCK)]
    first, second = reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]), sums, (0, 0))
    return RowSums(columns, frame.height, first % _WRAP, second % _WRAP)


def _block_sums(block: pl.DataFrame) -> tuple[int, int]:
    hashes = np.zeros(block.height, np.uint64)
    for column in block:
        hashes ^= _words(column)
        hashes *= _FOLD
        hashes ^= hashes >> np.uint64(32)
    mixed = hashes * _FIRST
    mixed ^= mixed >> np.uint64(29)
    return int(mixed.sum()), int((mixed * _SECOND ^ (mixed >> np.uint64(31))).sum())


def _words(column: pl.Series) -> _Words:
    """Each value's bits, widened to 64, and one word for null."""
    values = column.fill_null(0).to_numpy() if column.null_count() else column.to_numpy()
    if values.dtype.kind == "f":
        values = values.view(f"u{values.dtype.itemsize}")
    words = values.view(np.uint64) if values.dtype.itemsize == 8 else values.astype(np.int64).view(np.uint64)
    return np.where(column.is_null().to_numpy(), _NULL, words) if column.null_count() else words


def _lists(column: pl.Series) -> pl.Series:
    """A hash of each list's words."""
    lengths = column.list.len().fill_null(0).to_numpy()
    words = _words(_numbers(column.filter(pl.Series(lengths > 0)).explode()))
    ends = np.cumsum(lengths, dtype=np.int64)
    pieces = (words[end - length : end].tobytes() for length, end in zip(lengths, ends, strict=True))
    hashed = [int.from_bytes(hashlib.blake2b(piece, digest_size=8).digest(), "little") for piece in pieces]
    found = pl.Series(values=hashed, dtype=pl.UInt64)
    return found.set(column.is_null(), None) if column.null_count() else found


def _numbers(column: pl.Series) -> pl.Series:
    """The column itself where it is of numbers or times, else a hash of each value's text, or of a list's values."""
    if isinstance(column.dtype, pl.List):
        return _lists(column)
    if column.dtype.is_temporal():
        return column.to_physical()
    if column.dtype == pl.Boolean:
        return column.cast(pl.UInt8)
    if column.dtype.is_float() or (column.dtype.is_integer() and str(column.dtype) not in ("Int128", "UInt128")):
        return column
    texts = column.cast(pl.String)
    different = texts.drop_nulls().unique()
    hashed = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") for text in different]
    words = pl.DataFrame({"text": different, "word": pl.Series(hashed, dtype=pl.UInt64)})
    return texts.to_frame("text").join(words, on="text", how="left", maintain_order="left")["word"]
