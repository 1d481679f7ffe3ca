"""How online stores pack keys and rows: the same bytes in each of them, made once at publication."""

import hashlib
import json
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import MlpError
from mlp_resources.ports.serving import Key, OnlineRows

KEY_BYTES = 500
NEVER = -(2**63)
"""The event time of a row that is not there."""
_INTEGER, _TEXT, _OTHER, _HASHED = b"\x01", b"\x02", b"\x03", b"\xfe"
_HALF = 2**63
_integer = struct.Struct(">cQ").pack


def packed_key(key: Key) -> bytes:
    """The key's parts one after the other, each so that no other key reads alike; a hash where that is too long."""
    if len(key) == 1 and type(key[0]) is int and -_HALF <= key[0] < _HALF:
        return _integer(_INTEGER, key[0] + _HALF)
    packed = b"".join(map(_part, key))
    return packed if len(packed) <= KEY_BYTES else _HASHED + hashlib.sha256(packed).digest()


def _part(value: Any) -> bytes:
    """Order is kept within a type, so that a sorted frame has sorted keys. A text ends with two zeros."""
    if type(value) is int and -_HALF <= value < _HALF:
        return _integer(_INTEGER, value + _HALF)
    tag, text = (_TEXT, value) if type(value) is str else (_OTHER, str(value + 0.0 if type(value) is float else value))
    return tag + text.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x00"


class Layout:
    """Which features a publication's records hold, in which order, and which of them a reader wants.

    Raises:
        MlpError: a feature is wanted that the publication does not have.
    """

    def __init__(self, view: str, stored: Sequence[str], wanted: Sequence[str] | None = None) -> None:
        self.wanted = tuple(stored if wanted is None else wanted)
        gone = [name for name in self.wanted if name not in stored]
        if gone:
            raise MlpError(
                f"View {view!r} is online without its feature {gone[0]!r}; it has {', '.join(map(repr, stored))}. "
                "Publish the view with it, or materialize the endpoint again for a model that does without."
            )
        self._places = None if self.wanted == tuple(stored) else [list(stored).index(name) for name in self.wanted]
        self._width = len(stored)
        self._record = struct.Struct(f"<q{self._width}d")
        self._empty = self._record.pack(NEVER, *[float("nan")] * self._width)

    def one(self, packed: bytes | None) -> tuple[int, tuple[float, ...]]:
        """(event time, values) of one record; NEVER and NaN where there is none."""
        time, *values = self._record.unpack(packed if packed is not None else self._empty)
        return time, tuple(values if self._places is None else [values[place] for place in self._places])

    def many(self, packed: Sequence[bytes | None], version: int) -> OnlineRows:
        """The rows of the records, decoded at once from one buffer."""
        empty = self._empty
        whole = bytearray().join([empty if one is None else one for one in packed])
        words = np.frombuffer(whole, dtype="<f8").reshape(len(packed), self._width + 1)
        times: NDArray[np.int64] = words[:, 0].view("<i8")
        values = words[:, 1:] if self._places is None else words[:, 1:][:, self._places]
        return OnlineRows(values, times, times != NEVER, version)


def described(keys: Sequence[str], features: Sequence[str], rows: int) -> bytes:
    """What a publication says of itself; read again only when it changes."""
    return json.dumps({"keys": list(keys), "features": list(features), "rows": rows}).encode()


def fingerprint(keys: Sequence[str], features: Sequence[str]) -> bytes:
    """Eight bytes that are equal for records of equal layout."""
    return hashlib.sha256(json.dumps([list(keys), list(features)]).encode()).digest()[:8]


def packed_rows(keys: Sequence[str], features: Sequence[str], frame: pl.DataFrame) -> tuple[list[bytes], list[bytes]]:
    """The keys in rising order, and the record of each: event time in microseconds, then the features, NaN for null.

    Raises:
        MlpError: two rows have the same key.
    """
    ordered = frame.sort(keys)
    packed = _packed_keys(ordered.select(keys))
    if any(one >= other for one, other in pairwise(packed)):
        order = sorted(range(len(packed)), key=packed.__getitem__)
        packed, ordered = [packed[place] for place in order], ordered[order]
    for place in range(1, len(packed)):
        if packed[place] == packed[place - 1]:
            shown = dict(zip(keys, ordered.select(keys).row(place), strict=True))
            raise MlpError(f"Two rows have the key {shown}. Publish one row of each entity.")
    records = np.empty(ordered.height, dtype=[("time", "<i8"), ("values", "<f8", (len(features),))])
    records["time"] = ordered["event_time"].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
    records["values"] = ordered.select(pl.col(features).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    whole, size = records.tobytes(), records.itemsize
    return packed, [whole[start : start + size] for start in range(0, len(whole), size)]


def _packed_keys(frame: pl.DataFrame) -> list[bytes]:
    """``packed_key`` of each row; whole columns at once where all of them are integers."""
    signed = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)
    size = 9 * frame.width
    plain = all(column.dtype in signed and not column.null_count() for column in frame)
    if not plain or size > KEY_BYTES:
        return [packed_key(row) for row in frame.iter_rows()]
    parts = np.empty((frame.height, frame.width), dtype=[("tag", "S1"), ("number", ">u8")])
    parts["tag"] = _INTEGER
    for place, column in enumerate(frame):
        parts["number"][:, place] = column.cast(pl.Int64).to_numpy().view(np.uint64) ^ np.uint64(_HALF)
    whole = parts.tobytes()
    return [whole[start : start + size] for start in range(0, len(whole), size)]
