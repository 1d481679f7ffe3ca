"""The spool: a prediction is written to a local file before it is answered. An asset moves it to the lake later."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import lock_descriptor

PREDICTIONS, FEEDBACK = "predictions", "feedback"
_ROTATE_BYTES = 64 * 1024 * 1024
_SET_ASIDE = ".refused"


class Spool:
    """One writer's files, ``<kind>-<host>-<pid>-<start>.jsonl``: one JSON line per request, only appended to.

    The writer keeps a file locked while it is open, so a reader can tell when the file is complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._lock = threading.Lock()

    def __del__(self) -> None:
        """A replaced model's spool is closed when the last request that uses it ends."""
        for file in self._files.values():
            file.close()

    def append(self, kind: str, entry: dict[str, Any]) -> None:
        """Appends one line and hands it to the operating system before it returns. Thread-safe."""
        line = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self._lock:
            file = self._files.get(kind)
            if file is None or file.tell() > _ROTATE_BYTES:
                file = self._open(kind)
            file.write(line)
            file.flush()

    def _open(self, kind: str) -> BinaryIO:
        if kind in self._files:
            self._files[kind].close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{kind}-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl"
        opening = self._folder / f"{name}.opening"
        file = opening.open("ab")
        lock_descriptor(file.fileno())  # no lease: only its end, not a time, says that a writer writes no more
        opening.rename(self._folder / name)
        self._files[kind] = file
        return file


def spooled_files(folder: Path, kind: str) -> list[Path]:
    """The files of one kind, oldest name first."""
    return sorted(folder.glob(f"{kind}-*.jsonl"))


def is_complete(file: Path) -> bool:
    """Whether the writer has closed the file or died, so that no more lines will come."""
    try:
        with file.open("rb") as opened:
            return lock_descriptor(opened.fileno(), blocking=False)
    except FileNotFoundError:
        return False


def read_lines(file: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of each complete line from ``offset`` on. A line that is still being written is left out.

    A file that another process has drained and removed has no lines.
    """
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return
    with opened:
        opened.seek(offset)
        for line in opened:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


@dataclass(frozen=True)
class UnreadableLine:
    """A complete line of a spool file that cannot become a row: its offset, and the reason."""

    offset: int
    line: bytes
    reason: str


def set_aside(file: Path, unreadable: Sequence[UnreadableLine]) -> None:
    """Appends the lines to ``<name>.refused`` beside their file, each once, as "offset, tab, reason, tab, line"."""
    with file.with_name(file.name + _SET_ASIDE).open("a+b") as kept:
        lock_descriptor(kept.fileno())  # two drains may read the same line; both write it alike
        kept.seek(0)
        whole = [line for line in kept if line.endswith(b"\n")]
        kept.truncate(sum(map(len, whole)))  # drops a line that a killed drain left unfinished
        known = {int(line.partition(b"\t")[0]) for line in whole}
        for entry in unreadable:
            if entry.offset not in known:
                reason = " ".join(entry.reason.split())[:300].encode(errors="backslashreplace")
                kept.write(b"%d\t%s\t%s" % (entry.offset, reason, entry.line))


def count_set_aside(folder: Path, kind: str) -> int:
    """The number of lines of one kind that were set aside for a person to look at."""
    return sum(len(file.read_bytes().splitlines()) for file in folder.glob(f"{kind}-*.jsonl{_SET_ASIDE}"))
