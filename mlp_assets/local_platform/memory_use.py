"""The memory of all processes of a platform, by what they do."""

import contextlib
import os
from collections import defaultdict

import psutil

from mlp_assets.local_platform.leftovers import left_behind
from mlp_assets.local_platform.process_roles import role_of
from mlp_resources.compute.processes import tree


def resident_bytes() -> int:
    """The resident memory of all processes of the platform. Shared pages count many times, but it costs 15 ms."""
    total = 0
    for process in _processes().values():
        with contextlib.suppress(psutil.Error, OSError):
            total += process.memory_info().rss
    return total


def memory_by_role() -> dict[str, int]:
    """Role -> bytes of proportional share (PSS) of its processes: shared pages count once, by halves.

    It costs 150 ms with the platform up.
    """
    processes = _processes()
    memory: defaultdict[str, int] = defaultdict(int)
    for process in processes.values():
        with contextlib.suppress(psutil.Error, OSError):
            memory[_role(process, processes)] += process.memory_full_info().pss
    return dict(memory)


def _processes() -> dict[int, psutil.Process]:
    """This process and what it started, and all processes with this home's mark, such as detached trainings."""
    return {process.pid: process for process in [*tree(os.getpid()), *left_behind()]}


def _role(process: psutil.Process, processes: dict[int, psutil.Process]) -> str:
    if process.pid == os.getpid():
        return "this command"
    parent = processes.get(process.ppid())
    return role_of(_command(process), _command(parent) if parent is not None else "").name


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
