"""The files of one attempt of a local job, by which its watchers, its supervisor and its training communicate.

This module is imported by the supervisor, so it needs the standard library and psutil only.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_STALLED_SECONDS, _BEAT_AGAIN_SECONDS = 60.0, 10.0


@dataclass(frozen=True)
class JobFolder:
    """An attempt's folder.

    Files: ``spec.json`` and ``orders.json`` (for the training and its supervisor), ``log.txt``, ``lease`` (touched by
    whoever polls), ``cancel`` (there once the job shall end), ``supervisor.lock`` (held while the supervisor lives),
    ``beat`` (touched by the supervisor), ``end.json`` (how the processes ended), ``taken`` (there once somebody polled
    the result).
    """

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel"

    @property
    def lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def taken(self) -> Path:
        return self.path / "taken"

    @property
    def beat(self) -> Path:
        return self.path / "beat"

    def write_orders(self, orders: Mapping[str, Any]) -> None:
        (self.path / "orders.json").write_text(json.dumps(orders))

    def orders(self) -> dict[str, Any]:
        """``command``, ``patience_seconds``, ``orphan_seconds``."""
        return json.loads((self.path / "orders.json").read_text())

    def write_end(self, end: Mapping[str, Any]) -> None:
        partial = self.path / "end.json.partial"
        partial.write_text(json.dumps(end))
        partial.replace(self.path / "end.json")

    def end(self) -> dict[str, Any] | None:
        """How the processes ended: ``ended_by``, ``exit_code`` and what they used; None before."""
        try:
            return json.loads((self.path / "end.json").read_text())
        except FileNotFoundError:
            return None

    def is_supervised(self) -> bool:
        """Whether the supervisor lives. The kernel releases its lock when it dies, however that happens."""
        try:
            file = os.open(self.lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def is_stalled(self) -> bool:
        """Whether the supervisor lives, but has stopped beating.

        After the machine itself was suspended the beat is old, too, so it gets some seconds to beat again.
        """
        deadline = time.monotonic() + _BEAT_AGAIN_SECONDS
        while self._beat_age() > _STALLED_SECONDS and self.is_supervised():
            if time.monotonic() > deadline:
                return True
            time.sleep(0.2)
        return False

    def _beat_age(self) -> float:
        """Seconds since the supervisor's last beat; 0 before the first."""
        try:
            return time.time() - self.beat.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def processes(self) -> list[psutil.Process]:
        """The processes whose command line names this attempt: its supervisor, launcher and ranks."""
        arguments, members = {str(self.path), str(self.spec)}, list[psutil.Process]()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if arguments & set(process.cmdline()):
                    members.append(process)
        return members
