"""Delta tables as this process read them last: opened again only where their log has moved on.

To open a table of a year takes 5 ms, and a run asks for its newest version many times. Whoever writes opens a table of
its own: a handle of here is shared by threads, and stays at its version.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

_MOST = 16
_Mark = tuple[int, int, int]


@dataclass(frozen=True)
class _Opened:
    """A handle, and what identifies the file of its newest commit."""

    table: DeltaTable
    mark: _Mark


class OpenTables:
    """The newest versions of local tables. Tables of an object store are opened each time."""

    def __init__(self, open_table: Callable[[str], DeltaTable]) -> None:
        self._open = open_table
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._lock, self._process = threading.Lock(), os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another machine opens its own: a lake is sent to the workers of a cluster."""
        return OpenTables, (self._open,)

    def newest(self, location: str) -> DeltaTable:
        """The table at its newest version, to be read only. Raises what opening it raises."""
        if "://" in location:
            return self._open(location)
        with self._lock:
            if self._process != os.getpid():  # handles do not outlive a fork
                self._opened.clear()
                self._process = os.getpid()
            known = self._opened.get(location)
        if known is not None and _is_newest(location, known):
            return known.table
        table = self._open(location)
        mark = _mark_of(location, table.version())
        with self._lock:
            self._opened.pop(location, None)
            if mark is not None:
                self._opened[location] = _Opened(table, mark)
            while len(self._opened) > _MOST:
                self._opened.popitem(last=False)
        return table


def _is_newest(location: str, known: _Opened) -> bool:
    """Whether its commit is the last one, and still the one that was read: versions have no gaps."""
    version = known.table.version()
    return not _commit(location, version + 1).exists() and _mark_of(location, version) == known.mark


def _mark_of(location: str, version: int) -> _Mark | None:
    try:
        found = _commit(location, version).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _commit(location: str, version: int) -> Path:
    return Path(location, "_delta_log", f"{version:020d}.json")
