"""Processes that a killed platform left behind: found by a mark in their environment, and ended."""

import contextlib
from collections.abc import Sequence

import psutil

from mlp_resources.home import home

_MARK = "MLP_STARTED_FOR"
_GRACE_SECONDS = 8.0
_ROUNDS = 5


def mark() -> dict[str, str]:
    """What the environment of each service says, and so that of every process that comes of it."""
    return {_MARK: str(home())}


def left_behind() -> list[psutil.Process]:
    """The processes of this home's services. Only those that nobody supervises are left behind: ask the lock first."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == str(home()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_left_behind() -> bool:
    """Ends them, and what they start meanwhile; False when there were none."""
    found = False
    for _ in range(_ROUNDS):
        left = left_behind()
        if not left:
            break
        found = True
        end(left)
    return found


def end(processes: Sequence[psutil.Process], *, ask: bool = True) -> None:
    """Asks each process to end (unless somebody did), waits, then kills."""
    for process in processes if ask else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(list(processes), timeout=_GRACE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
