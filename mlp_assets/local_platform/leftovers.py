"""Finds and ends processes that a killed platform left behind, by a mark in their environment variables."""

import contextlib

import psutil

from mlp_resources.compute.processes import end
from mlp_resources.environments.home import home
from mlp_resources.environments.own_services import STARTED_FOR

_ROUNDS = 5


def mark() -> dict[str, str]:
    """The environment variable of each service, which every process that it starts inherits."""
    return {STARTED_FOR: str(home())}


def left_behind() -> list[psutil.Process]:
    """Processes of this home's services. Those of a running `mlp up` have the mark too."""
    processes: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(STARTED_FOR) == str(home()) and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
    return processes


def end_left_behind() -> bool:
    """Ends them, and what they start meanwhile. Returns False when there were none."""
    any_left = False
    for _ in range(_ROUNDS):
        left = left_behind()
        if not left:
            break
        any_left = True
        end(left)
    return any_left
