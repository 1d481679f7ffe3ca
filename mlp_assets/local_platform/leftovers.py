"""Processes that a killed platform left behind: found by a mark in their environment, and ended."""

import contextlib

import psutil

from mlp_resources.compute.processes import end
from mlp_resources.environments.home import home

_MARK = "MLP_STARTED_FOR"
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
