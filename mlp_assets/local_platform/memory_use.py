"""The memory of all processes of a platform, by what they do."""

import contextlib
import os
from collections import defaultdict

import psutil

from mlp_assets.local_platform.leftovers import left_behind
from mlp_assets.local_platform.process_roles import role_of
from mlp_resources.compute.processes import tree


def memory_by_role() -> dict[str, int]:
    """Role -> bytes of proportional share (PSS) of its processes: shared pages count once, by halves.

    Counts this process and what it started, and all processes with this home's mark, such as detached trainings.
    """
    processes = {process.pid: process for process in [*tree(os.getpid()), *left_behind()]}
    memory: defaultdict[str, int] = defaultdict(int)
    for process in processes.values():
        with contextlib.suppress(psutil.Error, OSError):
            memory[_role(process, processes)] += process.memory_full_info().pss
    return dict(memory)


def _role(process: psutil.Process, processes: dict[int, psutil.Process]) -> str:
    if process.pid == os.getpid():
        return "this command"
    parent = processes.get(process.ppid())
    return role_of(_command(process), _command(parent) if parent is not None else "").name


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
