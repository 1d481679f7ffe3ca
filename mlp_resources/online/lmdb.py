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
from mlp_assets.tables.expiry import microseconds
from mlp_resources.online.rows import (
    ABOUT,
    NEVER,
    NOTE,
    Layout,
    description,
    fingerprint,
    newest_moment,
    pack_key,
    pack_keys,
    pack_rows,
)
from mlp_resources.ports.serving import Changes, Key, OnlineRow, OnlineRows, StalePublicationError

_VERSION = b"\x00version"
_HEAD = struct.Struct("<q8sq")  # version, fingerprint of the layout, newest moment
_EARLIER_HEAD = struct.Struct("<q8s")  # of a release whose records held all times
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
        newest = newest_moment(frame)
        packed = pack_rows(keys, features, frame, newest)
        environment = _open_environment(location)
        with environment.begin(write=True) as writer:
            live = _version(writer)
            if live is not None and live > version:
                raise StalePublicationError(
                    f"{Path(location).name}: version {live} is online, and version {version} is older. "
                    f"If the view's table was created again, remove {location} and publish again."
                )
            writer.drop(environment.open_db(None, txn=writer), delete=False)
            _put_head(writer, keys, features, frame.height, newest, version)
            writer.cursor().putmulti(_pairs(*packed), append=True)
            if note is not None:
                writer.put(NOTE, note().encode())

    def publish_changes(
        self,
        location: str,
        keys: Sequence[str],
        features: Sequence[str],
        changes: Changes,
        *,
        base: str,
        version: int,
        note: Callable[[], str],
    ) -> int | None:
        if not Path(location, "data.mdb").exists():
            return None
        newest = microseconds(changes.newest)
        packed, removed = pack_rows(keys, features, changes.rows, newest), pack_keys(changes.removed)
        environment = _open_environment(location)
        with environment.begin(write=True) as writer:
            if writer.get(NOTE) != base.encode():
                return None
            live, mark, _ = _head(writer.get(_VERSION))
            if live > version or mark != fingerprint(keys, features):
                return None
            for key in removed:
                writer.delete(key)
            writer.cursor().putmulti(_pairs(*packed))
            rows = writer.stat(environment.open_db(None, txn=writer))["entries"] - len((_VERSION, ABOUT, NOTE))
            _put_head(writer, keys, features, rows, newest, version)
            writer.put(NOTE, note().encode())
        return rows

    def open_view(self, location: str, features: Sequence[str] | None = None) -> "LmdbView":
        return LmdbView(location, features)

    def remove(self, location: str) -> None:
        shutil.rmtree(location, ignore_errors=True)  # readers that have it open keep its rows

    def note(self, location: str) -> str | None:
        if not Path(location, "data.mdb").exists():
            return None
        with _open_environment(location).begin() as reader:
            text = reader.get(NOTE)
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
            _, _, layout = self._current(reader)
        self.features = self._wanted = layout.wanted

    def get_one(self, key: Key) -> OnlineRow:
        with self._begin() as reader:
            version, newest, layout = self._current(reader)
            packed = reader.get(pack_key(key))
        time, values = layout.one(packed, newest)
        return OnlineRow(values, None if time == NEVER else time, version)

    def get_many(self, keys: Sequence[Key]) -> OnlineRows:
        with self._begin() as reader:
            version, newest, layout = self._current(reader)
            get = reader.get
            packed = [get(pack_key(key)) for key in keys]
        return layout.many(packed, newest, version)

    def _current(self, reader: Any) -> tuple[int, int, Layout]:
        """The version, newest moment and layout of the snapshot.

        The description is parsed only when the layout has changed.
        """
        head = reader.get(_VERSION)
        if head is None:
            raise self._not_online()
        version, mark, newest = _head(head)
        seen, layout = self._seen  # one value, because threads share the view
        if seen != mark:
            layout = Layout(self._name, json.loads(reader.get(ABOUT))["features"], self._wanted)
            self._seen = mark, layout
        return version, newest, layout

    def _not_online(self) -> MlpError:
        return MlpError(f"View {self._name!r} is not online yet. Materialize its online asset.")


def _pairs(keys: list[bytes], rows: list[bytes]) -> Any:
    return zip(keys, rows, strict=True)


def _version(transaction: Any) -> int | None:
    head = transaction.get(_VERSION)
    return None if head is None else _head(head)[0]


def _head(packed: bytes) -> tuple[int, bytes, int]:
    """The version, the fingerprint of the layout, and the newest moment."""
    return _HEAD.unpack(packed) if len(packed) == _HEAD.size else (*_EARLIER_HEAD.unpack(packed), NEVER)


def _put_head(writer: Any, keys: Sequence[str], features: Sequence[str], rows: int, newest: int, version: int) -> None:
    writer.put(ABOUT, description(keys, features, rows, newest))
    writer.put(_VERSION, _HEAD.pack(version, fingerprint(keys, features), newest))


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
