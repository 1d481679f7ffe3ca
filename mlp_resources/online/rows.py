"""How online stores pack keys and rows into bytes, alike in every store. By hand: one NumPy view decodes a batch."""

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
"""The event time of a key without a row."""
STANDING = NEVER + 1
"""The event time in a record of the publication's newest moment: the record of an unchanged row keeps its bytes."""
ABOUT, NOTE = b"\x00about", b"\x00note"
"""The keys of a publication's description and note. They sort before every packed key."""
_INTEGER, _TEXT, _OTHER, _HASHED = b"\x01", b"\x02", b"\x03", b"\xfe"
_HALF = 2**63
_integer = struct.Struct(">cQ").pack


def pack_key(key: Key) -> bytes:
    """The key as bytes: its parts joined so that no two keys are equal, or a hash above ``KEY_BYTES``."""
    if len(key) == 1 and type(key[0]) is int and -_HALF <= key[0] < _HALF:
        return _integer(_INTEGER, key[0] + _HALF)
    packed = b"".join(map(_pack_part, key))
    return packed if len(packed) <= KEY_BYTES else _HASHED + hashlib.sha256(packed).digest()


def _pack_part(value: Any) -> bytes:
    """Bytes that sort like the values of one type, so a sorted frame has sorted keys. A text ends with two zeros."""
    if type(value) is int and -_HALF <= value < _HALF:
        return _integer(_INTEGER, value + _HALF)
    tag, text = (_TEXT, value) if type(value) is str else (_OTHER, str(value + 0.0 if type(value) is float else value))
    return tag + text.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x00"


class Layout:
    """The order of features in a publication's records, and the features that a reader wants.

    Raises:
        MlpError: the publication lacks a wanted feature.
    """

    def __init__(self, view: str, stored: Sequence[str], wanted: Sequence[str] | None = None) -> None:
        self.wanted = tuple(stored if wanted is None else wanted)
        missing = [name for name in self.wanted if name not in stored]
        if missing:
            raise MlpError(
                f"View {view!r} is online without its feature {missing[0]!r}; it has {', '.join(map(repr, stored))}. "
                "Publish the view with it, or materialize the endpoint again with a model that does not need it."
            )
        self._places = None if self.wanted == tuple(stored) else [list(stored).index(name) for name in self.wanted]
        self._width = len(stored)
        self._record = struct.Struct(f"<q{self._width}d")
        self._empty = self._record.pack(NEVER, *[float("nan")] * self._width)

    def one(self, packed: bytes | None, newest: int) -> tuple[int, tuple[float, ...]]:
        """(event time, values) of one record; NEVER and NaN for None.

        Args:
            newest: the newest moment of the publication.
        """
        time, *values = self._record.unpack(packed if packed is not None else self._empty)
        time = newest if time == STANDING else time
        return time, tuple(values if self._places is None else [values[place] for place in self._places])

    def many(self, packed: Sequence[bytes | None], newest: int, version: int) -> OnlineRows:
        """The rows of the records, decoded from one buffer."""
        empty = self._empty
        buffer = bytearray().join([empty if record is None else record for record in packed])
        words = np.frombuffer(buffer, dtype="<f8").reshape(len(packed), self._width + 1)
        times: NDArray[np.int64] = words[:, 0].view("<i8")
        times[times == STANDING] = newest
        values = words[:, 1:] if self._places is None else words[:, 1:][:, self._places]
        return OnlineRows(values, times, times != NEVER, version)


def description(keys: Sequence[str], features: Sequence[str], rows: int, newest: int) -> bytes:
    """The description of a publication, as JSON."""
    return json.dumps({"keys": list(keys), "features": list(features), "rows": rows, "newest": newest}).encode()


def newest_moment(frame: pl.DataFrame) -> int:
    """The newest event time in microseconds; NEVER without rows."""
    newest = _micros(frame).max()
    return newest if isinstance(newest, int) else NEVER


def fingerprint(keys: Sequence[str], features: Sequence[str]) -> bytes:
    """Eight bytes that are equal for records of the same layout."""
    return hashlib.sha256(json.dumps([list(keys), list(features)]).encode()).digest()[:8]


def pack_rows(
    keys: Sequence[str], features: Sequence[str], frame: pl.DataFrame, newest: int = NEVER
) -> tuple[list[bytes], list[bytes]]:
    """The packed keys in rising order, and the record of each.

    A record is the event time in microseconds and the features as doubles, NaN for null.

    Args:
        newest: the newest moment of the publication. It is packed as STANDING.

    Raises:
        MlpError: two rows have the same key.
    """
    ordered = frame.sort(keys)
    packed = pack_keys(ordered.select(keys))
    if any(key >= after for key, after in pairwise(packed)):
        order = sorted(range(len(packed)), key=packed.__getitem__)
        packed, ordered = [packed[place] for place in order], ordered[order]
    for place in range(1, len(packed)):
        if packed[place] == packed[place - 1]:
            shown = dict(zip(keys, ordered.select(keys).row(place), strict=True))
            raise MlpError(f"Two rows have the key {shown}. Publish one row per entity.")
    records = np.empty(ordered.height, dtype=[("time", "<i8"), ("values", "<f8", (len(features),))])
    times = _micros(ordered).to_numpy()
    records["time"] = np.where(times == newest, STANDING, times)
    records["values"] = ordered.select(pl.col(features).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    data, size = records.tobytes(), records.itemsize
    return packed, [data[start : start + size] for start in range(0, len(data), size)]


def _micros(frame: pl.DataFrame) -> pl.Series:
    return frame["event_time"].cast(pl.Datetime("us", "UTC")).to_physical()


def pack_keys(frame: pl.DataFrame) -> list[bytes]:
    """``pack_key`` of each row; integer columns are packed as a whole."""
    signed = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)
    size = 9 * frame.width
    plain = all(column.dtype in signed and not column.null_count() for column in frame)
    if not plain or size > KEY_BYTES:
        return [pack_key(row) for row in frame.iter_rows()]
    parts = np.empty((frame.height, frame.width), dtype=[("tag", "S1"), ("number", ">u8")])
    parts["tag"] = _INTEGER
    for place, column in enumerate(frame):
        parts["number"][:, place] = column.cast(pl.Int64).to_numpy().view(np.uint64) ^ np.uint64(_HALF)
    data = parts.tobytes()
    return [data[start : start + size] for start in range(0, len(data), size)]
