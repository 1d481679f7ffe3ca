"""The local spool: a prediction is in a file before it is in an answer. An asset drains it to the lake later."""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

PREDICTIONS, FEEDBACK = "predictions", "feedback"
_ROTATE_BYTES = 64 * 1024 * 1024


class Spool:
    """One writer's files: ``<kind>-<host>-<pid>-<start>.jsonl``, one JSON line a request, never rewritten.

    A file is locked for as long as its writer has it open, so whoever drains it knows when no more will come.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._writing = threading.Lock()

    def append(self, kind: str, entry: dict[str, Any]) -> None:
        """Appends one line and hands it to the operating system before it returns. Threads may call it at once."""
        line = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self._writing:
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
        fcntl.flock(file, fcntl.LOCK_EX)
        opening.rename(self._folder / name)
        self._files[kind] = file
        return file


def spooled_files(folder: Path, kind: str) -> list[Path]:
    """The files of one kind, oldest name first."""
    return sorted(folder.glob(f"{kind}-*.jsonl"))


def is_left(file: Path) -> bool:
    """Whether the writer has closed the file or died over it: what is in it now is all that there will be."""
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def read_lines(file: Path, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(end offset, entry) of each whole line from ``offset`` on; a line still being written is left for later.

    A file that another process has drained to its end and removed has no lines.
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
            offset += len(line)
            yield offset, json.loads(line)
