"""The local spool: a prediction is in a file before it is in an answer. An asset drains it to the lake later."""

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
_REFUSED = ".refused"


class Spool:
    """One writer's files: ``<kind>-<host>-<pid>-<start>.jsonl``, one JSON line a request, never rewritten.

    A file is locked for as long as its writer has it open, so whoever drains it knows when no more will come.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._writing = threading.Lock()

    def __del__(self) -> None:
        """Whoever holds it last, a request on a replaced model say, closes its files."""
        for file in self._files.values():
            file.close()

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
        lock_descriptor(file.fileno())  # no lease: only its end, not a time, says that a writer writes no more
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
            return lock_descriptor(opened.fileno(), blocking=False)
    except FileNotFoundError:
        return False


def read_lines(file: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """(where it begins, line) of each whole line from ``offset`` on; a line still being written is left for later.

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
            yield offset, line
            offset += len(line)


@dataclass(frozen=True)
class Refused:
    """A whole line of a spool file that no row can be made of: where it begins, and why."""

    offset: int
    line: bytes
    why: str


def set_aside(file: Path, refused: Sequence[Refused]) -> None:
    """Keeps the lines in ``<name>.refused`` beside their file, as "offset, tab, why, tab, line"; each once."""
    with file.with_name(file.name + _REFUSED).open("a+b") as kept:
        lock_descriptor(kept.fileno())  # two drains may meet the same line; each writes it as the other would
        kept.seek(0)
        whole = [line for line in kept if line.endswith(b"\n")]
        kept.truncate(sum(map(len, whole)))  # what a drain that died over it had not finished
        known = {int(line.partition(b"\t")[0]) for line in whole}
        for one in refused:
            if one.offset not in known:
                why = " ".join(one.why.split())[:300].encode(errors="backslashreplace")
                kept.write(b"%d\t%s\t%s" % (one.offset, why, one.line))


def lines_set_aside(folder: Path, kind: str) -> int:
    """How many lines of one kind wait beside the spool for a person to look at them."""
    return sum(len(file.read_bytes().splitlines()) for file in folder.glob(f"{kind}-*.jsonl{_REFUSED}"))
