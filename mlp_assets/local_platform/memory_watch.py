"""Names the processes of a platform that the kernel kills because memory ran out.

Most of them are children of Dagster or Ray, which report at best that they are gone. The kernel counts its kills, so
this thread looks once a second at the processes of the home. When the count grew, what vanished was killed.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console

from mlp_assets.local_platform.leftovers import mark
from mlp_assets.local_platform.process_roles import RUN, TRAINING, Role, role_of, training_name
from mlp_assets.local_platform.runs import run_of_process, write_to_run_log
from mlp_resources.compute.memory import KillWatch, format_bytes, read_memory
from mlp_resources.compute.memory_kills import MemoryKills
from mlp_resources.compute.processes import KILL_RUN, offer_to_kernel
from mlp_resources.environments.home import home

_LOOK_SECONDS = 1.0
# A large process takes a moment to end after the kernel counted it. What ends later was not killed for memory: then
# the kernel killed somebody else's process.
_SETTLE_SECONDS, _END_SECONDS = 1.0, 4.0
_READ_LABEL_EVERY, _NEW_LOOKS = 5, 3
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process as it was last seen.

    Args:
        memory: resident bytes."""

    pid: int
    label: "Label"
    memory: int
    seen_at: float


@dataclass(frozen=True)
class Label:
    """What changes rarely, and is read every few looks: Ray renames an idle worker that becomes a replica.

    Args:
        adjustment: its ``oom_score_adj``."""

    command: str
    role: Role
    adjustment: int


def printing(console: Console) -> Callable[[str], None]:
    """Reports to the console, in red."""
    return lambda message: console.print(message, style="red", markup=False, highlight=False)


class MemoryWatch:
    """Watches the processes of this home, those that this process starts and those with the home's mark.

    Args:
        report: takes a sentence about each process that was killed.
        dagster_port: where to ask which run a process executed.
    """

    def __init__(self, report: Callable[[str], None], dagster_port: int) -> None:
        self._report, self._dagster_port = report, dagster_port
        self._record, self._killed, self._memory = MemoryKills(home()), KillWatch(), read_memory()
        self._mark = "=".join(next(iter(mark().items()))).encode()
        self._ours: dict[int, bool] = {os.getpid(): True}
        self._alive: dict[int, Process] = {}
        self._looks: dict[int, int] = {}
        self._vanished: list[Process] = []
        self._explained, self._grew_at = 0, 0.0
        self._over, self._thread = threading.Event(), threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes a last look, so that whoever explains the end of the block finds what was killed in it."""
        self._over.set()
        self._thread.join()
        if self._killed.kills() > self._explained:
            time.sleep(_SETTLE_SECONDS)
            self.look(settled=True)

    def _run(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.look()

    def look(self, *, settled: bool = False) -> None:
        """Compares the processes with those of the last look, and names what the kernel killed meanwhile."""
        now, alive = time.monotonic(), self._read_processes()
        self._vanished += [process for pid, process in self._alive.items() if pid not in alive]
        self._vanished = [process for process in self._vanished if now - process.seen_at < 2 * _END_SECONDS]
        self._alive = alive
        unexplained = self._killed.kills() - self._explained
        if not unexplained:
            self._grew_at = 0.0
            return
        self._grew_at = self._grew_at or now
        waited = now - self._grew_at
        if settled or waited >= _SETTLE_SECONDS:
            for process in sorted(self._vanished, key=self._points, reverse=True)[:unexplained]:
                self._vanished.remove(process)
                self._explained += 1
                self._tell(process)
            if waited > _END_SECONDS:
                self._explained = self._killed.kills()

    def _points(self, process: Process) -> float:
        """By this, the kernel chooses: memory, and the adjustment in thousandths of all memory."""
        return process.memory + process.label.adjustment * self._memory.total / 1000

    def _tell(self, process: Process) -> None:
        role = process.label.role
        run = run_of_process(self._dagster_port, process.pid) if role is RUN else None
        name = f"run {run.id.split('-')[0]} of {run.subject}" if run is not None else _full_name(process.label)
        held = f"it held {format_bytes(process.memory)} of the {self._memory.limit}"
        message = f"The kernel killed {name} because memory ran out: {held}. {role.remedy}"
        self._record.add(process.pid, message)
        self._report(message)
        if run is not None:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                write_to_run_log(run.id, message)

    def _read_processes(self) -> dict[int, Process]:
        pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
        self._ours = {pid: self._ours[pid] for pid in pids if pid in self._ours}
        self._looks = {pid: self._looks.get(pid, 0) + 1 for pid in pids}
        alive: dict[int, Process] = {}
        for pid in pids:
            if self._ours.get(pid, True) and pid != os.getpid():
                with contextlib.suppress(OSError, IndexError, ValueError):  # it ends at this moment
                    process = self._read(pid, alive)
                    if process is not None:
                        alive[pid] = process
        return alive

    def _read(self, pid: int, read: Mapping[int, Process]) -> Process | None:
        """The process; None for somebody else's, and for one that has ended."""
        fields = _read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        state, parent, pages = fields[0], int(fields[1]), int(fields[21])
        if pid not in self._ours:
            self._ours[pid] = self._ours.get(parent, False) or self._is_marked(pid)
        if not self._ours[pid] or state in b"ZX":
            return None
        before, looks = self._alive.get(pid), self._looks[pid]
        if before is None or looks <= _NEW_LOOKS or looks % _READ_LABEL_EVERY == 0:
            label = _read_label(pid, read[parent].label.command if parent in read else "")
        else:
            label = before.label
        return Process(pid, label, pages * _PAGE, time.monotonic())

    def _is_marked(self, pid: int) -> bool:
        with contextlib.suppress(OSError):  # another user's
            return self._mark in _read_file(f"/proc/{pid}/environ").split(b"\0")
        return False


def _read_label(pid: int, parent_command: str) -> Label:
    command = _read_file(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    role, adjustment = role_of(command, parent_command), int(_read_file(f"/proc/{pid}/oom_score_adj"))
    if role is RUN and adjustment < KILL_RUN:
        offer_to_kernel(KILL_RUN, pid)
        adjustment = KILL_RUN
    return Label(command, role, adjustment)


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _full_name(label: Label) -> str:
    training = training_name(label.command) if TRAINING in label.command else None
    return f"{label.role.name} ({training})" if training is not None else label.role.name
