"""Runs a command under a limit of memory that the system enforces, and says how much it took."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class LimitedRun:
    """How a command ended.

    Args:
        peak_bytes: the most memory that it and its children held, sampled ten times a second: without page cache and
            without pages that an allocator gave back, which the kernel takes when it needs them (MADV_FREE).
        enforced_by: ``cgroup`` where the kernel kills what exceeds the limit; ``sampling`` where no cgroup can be made,
            and the command is killed when a sample exceeds it.
    """

    returncode: int
    output: str
    peak_bytes: int
    enforced_by: str


def run_limited(command: Sequence[str], limit_bytes: int, environment: Mapping[str, str]) -> LimitedRun:
    """Runs the command and its children within ``limit_bytes`` of memory, all of them together."""
    with _cgroup(limit_bytes) as group:
        joined = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command] if group else [*command]
        process = subprocess.Popen(
            joined, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with process, _Sampler(process.pid, group, limit_bytes) as sampler:
            output, _ = process.communicate()
        return LimitedRun(process.returncode, output, sampler.peak, "cgroup" if group else "sampling")


class _Sampler(threading.Thread):
    """Samples the memory of a process and its children until it ends."""

    def __init__(self, pid: int, group: Path | None, limit_bytes: int) -> None:
        super().__init__(daemon=True)
        self.peak, self._ended = 0, threading.Event()
        self._pid, self._group, self._limit = pid, group, limit_bytes

    def __enter__(self) -> "_Sampler":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            with contextlib.suppress(psutil.Error, OSError):
                pids = self._pids()
                used = sum(_held_bytes(pid) for pid in pids)
                self.peak = max(self.peak, used)
                if self._group is None and used > self._limit:
                    for pid in pids:
                        psutil.Process(pid).kill()

    def _pids(self) -> list[int]:
        """The group's processes, also those that left their parent; without a group, the process and its children."""
        if self._group is not None:
            return [int(pid) for pid in (self._group / "cgroup.procs").read_text().split()]
        process = psutil.Process(self._pid)
        return [self._pid, *(child.pid for child in process.children(recursive=True))]


def _held_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # it has ended
        return 0
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return 1024 * (kilobytes["Anonymous"] - kilobytes["LazyFree"])


@contextlib.contextmanager
def _cgroup(limit_bytes: int) -> Iterator[Path | None]:
    """A control group of its own with the limit; None where this process may not make one."""
    group = None
    with contextlib.suppress(OSError):
        group = _made(limit_bytes)
    try:
        yield group
    finally:
        if group is not None:
            _removed(group)


def _made(limit_bytes: int) -> Path:
    second = (_GROUPS / "cgroup.controllers").exists()
    group = (_GROUPS if second else _GROUPS / "memory") / f"mlp-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(limit_bytes))
    except OSError:
        group.rmdir()
        raise
    return group


def _removed(group: Path) -> None:
    """A group can be removed once its processes are gone."""
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(psutil.Error):
                psutil.Process(int(pid)).kill()
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)
    if group.exists():
        print(f"{group} could not be removed", file=sys.stderr)
