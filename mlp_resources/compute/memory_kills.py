"""What the kernel killed for memory in a home: one line for each process, for whoever has to explain a failure."""

import contextlib
import json
import time
from pathlib import Path


class MemoryKills:
    """The record of a home. It is written by the watch of a running platform."""

    def __init__(self, home: Path) -> None:
        self._file = home / "run" / "memory_kills.jsonl"

    def add(self, pid: int, message: str) -> None:
        with contextlib.suppress(OSError):  # a full disk is no reason to end a platform
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.write(json.dumps({"at": time.time(), "pid": pid, "message": message}) + "\n")

    def since(self, moment: float, *, wait_seconds: float = 0.0) -> list[str]:
        """The sentences about what was killed at ``moment`` (seconds since 1970) or later.

        Args:
            wait_seconds: how long to wait for the first one: the watch looks once a second.
        """
        deadline = time.monotonic() + wait_seconds
        while not (sentences := self._read(moment)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return sentences

    def _read(self, moment: float) -> list[str]:
        try:
            lines = self._file.read_text().splitlines()
        except OSError:
            return []
        kills = [json.loads(line) for line in lines if line.endswith("}")]
        return [kill["message"] for kill in kills if kill["at"] >= moment]
