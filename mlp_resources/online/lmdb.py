"""The embedded online store: one LMDB file per view, one atomic writer, readers in any number of processes."""

import json
import shutil
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lmdb
import polars as pl

from mlp_assets.errors import MlpError
from mlp_resources.online.rows import NEVER, Layout, description, fingerprint, pack_key, pack_rows
from mlp_resources.ports.serving import Key, OnlineRow, OnlineRows, StalePublicationError

# These sort before every packed key, so that the rows can be appended after them.
_VERSION, _ABOUT, _NOTE = b"\x00version", b"\x00about", b"\x00note"
_HEAD = struct.Struct("<q8s")
_MAP_BYTES = 64 * 1024**3
_ENVIRONMENTS: dict[str, tuple[Any, int]] = {}
_OPENING = threading.Lock()


class LmdbOnlineStore:
    """Publishes views below a directory. A view's location is the path of its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def location(self, project: str, view: str) -> str:
        return str(self._folder / project / view)

    def publish(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        frame: pl.DataFrame,
        *,
        version: int,
        note: Callable[[], str] | None = None,
    ) -> None:
        Path(location).mkdir(parents=True, exist_ok=True)
        packed = pack_rows(keys, features, frame)
        environment = _open_environment(location)
        with environment.begin(write=True) as writer:
            live = _version(writer)
            if live is not None and live > version:
                raise StalePublicationError(
                    f"{Path(location).name}: version {live} is online, and version {version} is older. "
                    f"If the view's table was created again, remove {location} and publish again."
                )
            writer.drop(environment.open_db(None, txn=writer), delete=False)
            writer.put(_ABOUT, description(keys, features, frame.height))
            writer.put(_VERSION, _HEAD.pack(version, fingerprint(keys, features)))
            writer.cursor().putmulti(_pairs(*packed), append=True)
            if note is not None:
                writer.put(_NOTE, note().encode())

    def open_view(self, location: str, features: Sequence[str] | None = None) -> "LmdbView":
        return LmdbView(location, features)

    def remove(self, location: str) -> None:
        shutil.rmtree(location, ignore_errors=True)  # readers that have it open keep its rows

    def note(self, location: str) -> str | None:
        if not Path(location, "data.mdb").exists():
            return None
        with _open_environment(location).begin() as reader:
            text = reader.get(_NOTE)
        return None if text is None else bytes(text).decode()


class LmdbView:
    """Reads one view. A read is one snapshot of the file, so reads and publications do not block each other."""

    def __init__(self, location: str, features: Sequence[str] | None = None) -> None:
        self._name = Path(location).name
        if not Path(location, "data.mdb").exists():
            raise self._not_online()
        self._begin = _open_environment(location).begin
        self._wanted, self._seen = features, (b"", Layout(self._name, ()))
        with self._begin() as reader:
            _, layout = self._current(reader)
        self.features = self._wanted = layout.wanted

    def get_one(self, key: Key) -> OnlineRow:
        with self._begin() as reader:
            version, layout = self._current(reader)
            packed = reader.get(pack_key(key))
        time, values = layout.one(packed)
        return OnlineRow(values, None if time == NEVER else time, version)

    def get_many(self, keys: Sequence[Key]) -> OnlineRows:
        with self._begin() as reader:
            version, layout = self._current(reader)
            get = reader.get
            packed = [get(pack_key(key)) for key in keys]
        return layout.many(packed, version)

    def _current(self, reader: Any) -> tuple[int, Layout]:
        """The version and layout of the snapshot. The description is parsed only when the layout has changed."""
        head = reader.get(_VERSION)
        if head is None:
            raise self._not_online()
        version, mark = _HEAD.unpack(head)
        seen, layout = self._seen  # one value, because threads share the view
        if seen != mark:
            layout = Layout(self._name, json.loads(reader.get(_ABOUT))["features"], self._wanted)
            self._seen = mark, layout
        return version, layout

    def _not_online(self) -> MlpError:
        return MlpError(f"View {self._name!r} is not online yet. Materialize its online asset.")


def _pairs(keys: list[bytes], rows: list[bytes]) -> Any:
    return zip(keys, rows, strict=True)


def _version(transaction: Any) -> int | None:
    head = transaction.get(_VERSION)
    return None if head is None else _HEAD.unpack(head)[0]


def _open_environment(path: str) -> Any:
    """The LMDB environment of a path. All users in a process share it: LMDB must not open a file twice."""
    with _OPENING:
        environment, file = _ENVIRONMENTS.get(path, (None, None))
        data = Path(path, "data.mdb")
        if environment is not None and data.exists() and data.stat().st_ino == file:
            return environment
        if environment is not None:
            environment.close()  # the directory was created again
        environment = lmdb.open(path, map_size=_MAP_BYTES, max_readers=512, max_spare_txns=8)
        _ENVIRONMENTS[path] = (environment, data.stat().st_ino)
        return environment
