"""The folder ``_delta_log`` of a table: which versions it holds, and the history that they tell."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlp_assets.tables.storage import open_delta, open_store
from mlp_resources.lake.commits import file_sizes
from mlp_resources.ports.table_history import StoredFile, TableHistory

_LOG, _READERS = "_delta_log", 16
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(.*\.)?parquet")
_UNKNOWN = datetime.fromtimestamp(0, UTC)


def oldest_version(location: str) -> int | None:
    """The oldest version that can be opened: 0, or that of the oldest checkpoint; None without either."""
    return _oldest(_names(location))


def read_history(location: str) -> TableHistory:
    """The history of the table that is there."""
    names = _names(location)
    oldest = _oldest(names) or 0
    commits = sorted(name for name in names if (match := _COMMIT.fullmatch(name)) and int(match[1]) >= oldest)
    replay = _Replay(oldest, _files_at(location, oldest) if oldest else [])
    with ThreadPoolExecutor(_READERS) as pool:
        for name, text in zip(commits, pool.map(_reader(location), commits), strict=True):
            replay.commit(int(name.partition(".")[0]), [json.loads(line) for line in text.splitlines() if line.strip()])
    return replay.history()


class _Replay:
    """Follows the commits from version ``oldest`` on, of a table that has the files ``present`` there."""

    def __init__(self, oldest: int, present: Sequence[StoredFile]) -> None:
        self._oldest, self._base = oldest, bool(present)
        self._live = {file.path: file for file in present}
        self._ended: list[StoredFile] = []
        self._times = [_UNKNOWN]
        self._transactions: dict[str, list[tuple[int, int]]] = {}

    def commit(self, version: int, actions: Sequence[dict[str, Any]]) -> None:
        time = _time(actions, self._times[-1])
        self._times[version - self._oldest :] = [time]
        for moved in (action["txn"] for action in actions if "txn" in action):
            self._transactions.setdefault(moved["appId"], []).append((version, moved["version"]))
        if version == self._oldest and self._base:
            return  # the files that are present are those after this commit
        for path in (unquote(action["remove"]["path"]) for action in actions if "remove" in action):
            if (file := self._live.pop(path, None)) is not None:
                self._ended.append(replace(file, removed=version))
        for added in (action["add"] for action in actions if "add" in action):
            path = unquote(added["path"])
            self._live.setdefault(path, StoredFile(path, added["size"], version))

    def history(self) -> TableHistory:
        return TableHistory(self._oldest, self._times, [*self._ended, *self._live.values()], self._transactions)


def _time(actions: Iterable[dict[str, Any]], before: datetime) -> datetime:
    stamps = [action["commitInfo"].get("timestamp") for action in actions if "commitInfo" in action]
    return datetime.fromtimestamp(stamps[0] / 1000, UTC) if stamps and stamps[0] is not None else before


def _files_at(location: str, version: int) -> list[StoredFile]:
    return [StoredFile(path, size, version) for path, size in file_sizes(open_delta(location, version)).items()]


def _oldest(names: Collection[str]) -> int | None:
    if f"{0:020}.json" in names:
        return 0
    return min((int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name))), default=None)


def _names(location: str) -> set[str]:
    if "://" not in location:
        return {file.name for file in Path(location, _LOG).iterdir()}
    from pyarrow.fs import FileSelector

    store, folder = open_store(location)
    return {file.base_name for file in store.get_file_info(FileSelector(f"{folder}/{_LOG}"))}


def _reader(location: str) -> Callable[[str], str]:
    if "://" not in location:
        return lambda name: Path(location, _LOG, name).read_text()
    store, folder = open_store(location)

    def read(name: str) -> str:
        with store.open_input_stream(f"{folder}/{_LOG}/{name}") as stream:
            return stream.read().decode()

    return read
