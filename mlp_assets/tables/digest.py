"""The canonical digest of a table: equal content has equal digests, whatever the order of rows or the files."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BLOCK = 1 << 15  # rows; their hashes fit in a processor's cache
_NULL = np.uint64(0x9E6C63D0876A9A35)
_FOLD, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WRAP = 1 << 64


@dataclass(frozen=True)
class RowSums:
    """The parts of a table's digest; the sums of its shards add up to the sums of the table.

    Each row has a 64-bit hash. ``first`` and ``second`` are sums modulo 2**64 of two mixes of the hashes, so they
    depend on the rows and their counts, not on their order. They detect accidental differences, not forged collisions.
    """

    columns: tuple[tuple[str, str], ...]
    rows: int
    first: int
    second: int

    def __add__(self, other: "RowSums") -> "RowSums":
        """Raises ValueError if the two have different columns."""
        if self.columns != other.columns:
            raise ValueError(
                f"Sums of different tables cannot be added: their columns are {self.columns} and {other.columns}."
            )
        first, second = (self.first + other.first) % _WRAP, (self.second + other.second) % _WRAP
        return RowSums(self.columns, self.rows + other.rows, first, second)

    def digest(self) -> str:
        """SHA-256, in hex, of the schema, the number of rows and the sums."""
        return hashlib.sha256(repr((self.columns, self.rows, self.first, self.second)).encode()).hexdigest()


def canonical_digest(frame: pl.DataFrame) -> str:
    """The digest, in hex, of the schema and the rows.

    The order of columns does not matter. Nulls differ from every value, and floats are compared by their bits.
    """
    return row_sums(frame).digest()


def row_sums(frame: pl.DataFrame) -> RowSums:
    """The contribution of these rows to a table's digest."""
    first = second = 0
    for block in _blocks(frame):
        mixes = _mixes(block)
        first, second = first + int(mixes[0].sum()), second + int(mixes[1].sum())
    return RowSums(_columns(frame), frame.height, first % _WRAP, second % _WRAP)


def row_sums_by(frame: pl.DataFrame, column: str) -> dict[str, RowSums]:
    """The ``row_sums`` of the rows of each value of a column of texts; quick for many values in order."""
    columns, run = _columns(frame), frame[column].rle_id().to_numpy()
    runs = frame[column].rle().struct.unnest()
    first, second = np.zeros(runs.height, np.uint64), np.zeros(runs.height, np.uint64)
    for number, block in enumerate(_blocks(frame)):
        own = run[number * _BLOCK :][: block.height]
        starts = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        for sums, mixes in zip((first, second), _mixes(block), strict=True):
            sums[own[starts]] += np.add.reduceat(mixes, starts)
    by_value: dict[str, RowSums] = {}
    for (length, value), *mixes in zip(runs.iter_rows(), first, second, strict=True):
        sums_of_run = RowSums(columns, length, *map(int, mixes))
        by_value[value] = by_value[value] + sums_of_run if value in by_value else sums_of_run
    return by_value


def _columns(frame: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(frame.schema[name])) for name in sorted(frame.columns))


def _blocks(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    numbers = pl.DataFrame({name: _numbers(frame[name]) for name in sorted(frame.columns)})
    return (numbers.slice(begin, _BLOCK) for begin in range(0, frame.height, _BLOCK))


def _mixes(block: pl.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Two mixes of the hash of each row."""
    hashes = np.zeros(block.height, np.uint64)
    for column in block:
        hashes ^= _words(column)
        hashes *= _FOLD
        hashes ^= hashes >> np.uint64(32)
    mixed = hashes * _FIRST
    mixed ^= mixed >> np.uint64(29)
    return mixed, mixed * _SECOND ^ (mixed >> np.uint64(31))


def _words(column: pl.Series) -> NDArray[np.uint64]:
    """Each value's bits widened to 64, and one fixed word for null."""
    values = column.fill_null(0).to_numpy() if column.null_count() else column.to_numpy()
    if values.dtype.kind == "f":
        values = values.view(f"u{values.dtype.itemsize}")
    words = values.view(np.uint64) if values.dtype.itemsize == 8 else values.astype(np.int64).view(np.uint64)
    return np.where(column.is_null().to_numpy(), _NULL, words) if column.null_count() else words


def _lists(column: pl.Series) -> pl.Series:
    """A hash of the words of each list."""
    lengths = column.list.len().fill_null(0).to_numpy()
    words = _words(_numbers(column.filter(pl.Series(lengths > 0)).explode()))
    ends = np.cumsum(lengths, dtype=np.int64)
    bits = (words[end - length : end].tobytes() for length, end in zip(lengths, ends, strict=True))
    hashed = [int.from_bytes(hashlib.blake2b(list_bits, digest_size=8).digest(), "little") for list_bits in bits]
    hashes = pl.Series(values=hashed, dtype=pl.UInt64)
    return hashes.set(column.is_null(), None) if column.null_count() else hashes


def _numbers(column: pl.Series) -> pl.Series:
    """Numbers and times as they are; a list as a hash of its values, any other type as a hash of its text."""
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
