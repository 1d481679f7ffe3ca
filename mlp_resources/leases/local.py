"""Leases of one machine: ``filelock`` keeps others out, and the fencing number stands in a file beside the lock."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlp_assets.files import replace_text
from mlp_assets.jobs.fence import Fence, LeaseLostError, locked_record
from mlp_resources.ports.lease import Lease, LeaseHeldError

_POLL_SECONDS = 0.05


class LocalLeases:
    """Leases whose records lie in a folder.

    Of a lease NAME there are ``NAME.lease`` (number, owner, expiry), ``NAME.lock`` (held for the milliseconds in which
    the record is read or changed, or a fenced write is made) and, while it is held, ``NAME.<number>.holder`` (locked by
    the holder, so that others see at once when its process has ended).

    A process that is stopped inside one of those milliseconds keeps others waiting until it continues or is ended. It
    never lets two of them write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[tuple[str, int], FileLock] = {}

    def acquire(self, name: str, *, seconds: float, wait_seconds: float = 0.0) -> Lease:
        deadline = time.monotonic() + wait_seconds
        while True:
            with locked_record(self._record(name)) as current:
                if not self._is_held(name, current):
                    return self._take(name, current["number"] + 1, seconds)
            if time.monotonic() >= deadline:
                raise LeaseHeldError(
                    f"{current['owner']} holds the lease {self._record(name)}. Wait until it is done, or end it."
                )
            time.sleep(_POLL_SECONDS)

    def renew(self, lease: Lease, *, seconds: float) -> Lease:
        with self.fenced(lease):
            return self._write(lease.name, lease.owner, lease.number, time.time() + seconds)

    def release(self, lease: Lease) -> None:
        with contextlib.suppress(LeaseLostError), self.fenced(lease):
            self._write(lease.name, lease.owner, lease.number, 0.0)
        holder = self._held.pop((lease.name, lease.number), None)
        if holder is not None:
            holder.release()
            self._holder(lease.name, lease.number).unlink(missing_ok=True)

    @contextlib.contextmanager
    def fenced(self, lease: Lease) -> Generator[None]:
        with Fence(str(self._record(lease.name)), lease.number).write():
            yield

    def _is_held(self, name: str, current: dict[str, Any]) -> bool:
        """Whether the holder has time left and its process lives."""
        if current["expires"] <= time.time():
            return False
        try:
            with FileLock(self._holder(name, current["number"]), timeout=0):
                return False
        except Timeout:
            return True

    def _take(self, name: str, number: int, seconds: float) -> Lease:
        self._holder(name, number - 1).unlink(missing_ok=True)
        lock = FileLock(self._holder(name, number), timeout=0, thread_local=False)
        lock.acquire()
        self._held[name, number] = lock
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        # A number that was given must never be given again, not even after a loss of power.
        return self._write(name, owner, number, time.time() + seconds, durable=True)

    def _write(self, name: str, owner: str, number: int, expires: float, *, durable: bool = False) -> Lease:
        text = json.dumps({"number": number, "owner": owner, "expires": expires})
        replace_text(self._record(name), text, durable=durable)
        return Lease(name, owner, number, expires)

    def _record(self, name: str) -> Path:
        return self._folder / f"{name}.lease"

    def _holder(self, name: str, number: int) -> Path:
        return self._folder / f"{name}.{number}.holder"
