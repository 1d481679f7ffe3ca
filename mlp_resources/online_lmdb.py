"""The embedded online store: one LMDB file a view, one atomic writer, readers in any number of processes."""

import hashlib
import json
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.spec.errors import MlpError
from mlp_resources.ports_serving import StalePublicationError

_ABOUT = b"\x00about"
_KEY_BYTES = 500
_MAP_BYTES = 64 * 1024**3
Key = tuple[Any, ...]
_ENVIRONMENTS: dict[str, tuple[Any, int]] = {}
_OPENING = threading.Lock()


class LmdbOnlineStore:
    """Publishes views below any path. A value is the row's event time and its features as packed numbers."""

    def publish(self, path: str, keys: list[str], features: list[str], frame: pl.DataFrame, *, version: int) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)
        environment = _opened(path)
        with environment.begin(write=True) as writer:
            about = _about(writer)
            if about is not None and about["version"] > version:
                raise StalePublicationError(
                    f"{Path(path).name}: version {about['version']} is online already, version {version} is older. "
                    f"If the view's table was made anew, remove {path} and publish again."
                )
            writer.drop(environment.open_db(None, txn=writer), delete=False)
            cursor = writer.cursor()
            cursor.putmulti(_packed(keys, features, frame))
            told = {"version": version, "keys": keys, "features": features, "rows": frame.height}
            writer.put(_ABOUT, json.dumps(told).encode())


class OnlineView:
    """One view for reading. Every call sees the newest whole publication."""

    def __init__(self, path: str) -> None:
        if not Path(path, "data.mdb").exists():
            raise MlpError(f"View {Path(path).name!r} is not online yet. Materialize its online asset.")
        self._environment = _opened(path)
        with self._environment.begin() as reader:
            about = _about(reader)
        if about is None:
            raise MlpError(f"View {Path(path).name!r} is not online yet. Materialize its online asset.")
        self.features: tuple[str, ...] = tuple(about["features"])

    def get_many(self, keys: Sequence[Key]) -> "tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], int]":
        """The rows of the keys, all from one publication.

        Returns:
            Values (n, features) with NaN for missing; event times (n,) in microseconds; found (n,); the version.
        """
        width = len(self.features)
        record = struct.Struct(f"<q{width}d")
        values = np.full((len(keys), width), np.nan)
        times = np.zeros(len(keys), dtype=np.int64)
        found = np.zeros(len(keys), dtype=np.bool_)
        with self._environment.begin() as reader:
            about = _about(reader)
            if about is None or tuple(about["features"]) != self.features:
                raise MlpError("The view's features changed while it was served. Materialize the endpoint again.")
            for row, key in enumerate(keys):
                packed = reader.get(packed_key(key))
                if packed is not None:
                    times[row], *values[row] = record.unpack(packed)
                    found[row] = True
        return values, times, found, about["version"]


def _opened(path: str) -> Any:
    """LMDB allows a file to be open once in a process: all who read or write a path share it."""
    with _OPENING:
        environment, file = _ENVIRONMENTS.get(path, (None, None))
        data = Path(path, "data.mdb")
        if environment is not None and data.exists() and data.stat().st_ino == file:
            return environment
        if environment is not None:
            environment.close()  # the directory was made anew since
        environment = lmdb.open(path, map_size=_MAP_BYTES, max_readers=512)
        _ENVIRONMENTS[path] = (environment, data.stat().st_ino)
        return environment


def packed_key(key: Key) -> bytes:
    """The key's parts, each after its length; their hash where LMDB's 511 bytes are too few."""
    parts = [str(part).encode() for part in key]
    packed = b"k" + b"".join(len(part).to_bytes(4) + part for part in parts)
    return packed if len(packed) <= _KEY_BYTES else b"h" + hashlib.sha256(packed).digest()


def _packed(keys: list[str], features: list[str], frame: pl.DataFrame) -> Iterator[tuple[bytes, bytes]]:
    """Each row's key, and its event time in microseconds with its features, as one record of fixed size."""
    records = np.empty(frame.height, dtype=[("time", "<i8"), ("values", "<f8", (len(features),))])
    records["time"] = frame["event_time"].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
    records["values"] = frame.select(pl.col(features).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    packed, size = records.tobytes(), records.itemsize
    for row, key in enumerate(frame.select(keys).iter_rows()):
        yield packed_key(key), packed[row * size : (row + 1) * size]


def _about(transaction: Any) -> dict[str, Any] | None:
    raw = transaction.get(_ABOUT)
    return None if raw is None else json.loads(raw)
