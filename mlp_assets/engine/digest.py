"""The canonical digest of a frame: equal for equal content, whatever the order of rows or the files behind it."""

import hashlib
from typing import Protocol

import polars as pl


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def canonical_digest(frame: pl.DataFrame, *, sort: bool = True) -> str:
    """SHA-256, in hex, of the schema and the sorted rows.

    Columns count in alphabetical order, nulls differ from every value, floats count by their bits.
    """
    columns = sorted(frame.columns)
    ordered = frame.select(columns)
    if sort and columns:
        ordered = ordered.sort(columns, nulls_last=True)
    total = hashlib.sha256(repr([(name, str(ordered.schema[name])) for name in columns]).encode())
    total.update(str(frame.height).encode())
    for name in columns:
        _add(total, ordered[name])
    return total.hexdigest()


def _add(total: "_Hash", column: pl.Series) -> None:
    total.update(column.is_null().to_numpy().tobytes())
    if column.dtype.is_numeric() and not column.dtype.is_decimal():
        total.update(column.fill_null(0).to_numpy().tobytes())
        return
    if column.dtype.is_temporal():
        total.update(column.to_physical().fill_null(0).to_numpy().tobytes())
        return
    texts = column.cast(pl.String).fill_null("")
    total.update(texts.str.len_bytes().to_numpy().tobytes())
    total.update("".join(texts.to_list()).encode())
