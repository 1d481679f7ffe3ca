"""The local spool: a prediction is in a file before it is in an answer. An asset drains it to the lake later."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

PREDICTIONS, FEEDBACK = "predictions", "feedback"
_ROTATE_BYTES = 64 * 1024 * 1024


class Spool:
    """One writer's files: ``<kind>-<host>-<pid>-<start>.jsonl``, one JSON line a request, never rewritten."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def append(self, kind: str, entry: dict[str, Any]) -> None:
        """Appends one line and hands it to the operating system before it returns."""
        line = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
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
        self._files[kind] = (self._folder / name).open("ab")
        return self._files[kind]


def spooled_files(folder: Path, kind: str) -> list[Path]:
    """The files of one kind, oldest name first."""
    return sorted(folder.glob(f"{kind}-*.jsonl"))


def read_lines(file: Path, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(end offset, entry) of each whole line from ``offset`` on; a line still being written is left for later."""
    with file.open("rb") as opened:
        opened.seek(offset)
        for line in opened:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, json.loads(line)
