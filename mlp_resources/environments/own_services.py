"""Tells a service of this home from other programs that listen on the same port."""

import contextlib
from pathlib import Path

import psutil

STARTED_FOR = "MLP_STARTED_FOR"  # environment variable of each service and of what it starts: the home


def serves(home: Path, port: int) -> bool:
    """Whether a service of this home's `mlp up` listens on the port.

    By the environment of the processes that listen, which the kernel keeps: nothing is written that could be out of
    date, and no request goes to a program of somebody else. Where the processes cannot be seen, the answer is no.
    """
    with contextlib.suppress(psutil.Error, OSError):
        connections = psutil.net_connections("tcp")
        pids = [c.pid for c in connections if c.status == "LISTEN" and c.laddr and c.laddr.port == port]
        return bool(pids) and all(pid is not None and _home_of(pid) == str(home.resolve()) for pid in pids)
    return False


def _home_of(pid: int) -> str | None:
    return psutil.Process(pid).environ().get(STARTED_FOR)
