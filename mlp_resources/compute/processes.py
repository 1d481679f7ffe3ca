"""Child processes of the platform: they die with their parent, and are ended with all that they started."""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence

import psutil

_PARENT_DEATH_SIGNAL = 1
_GRACE_SECONDS = 8.0


def die_with_parent() -> None:
    """Has the kernel end this process when its parent dies, even by SIGKILL. To be used as ``preexec_fn``."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def child_environment(changes: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """The environment variables of a child process: this process's, with changes, without some names."""
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return inherited | dict(changes)


def tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants; empty when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def end(processes: Sequence[psutil.Process], *, ask: bool = True) -> None:
    """Ends the processes: SIGTERM (unless ``ask`` is False), a wait, then SIGKILL."""
    for process in processes if ask else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(list(processes), timeout=_GRACE_SECONDS)
    kill(alive)


def kill(processes: Sequence[psutil.Process]) -> None:
    """Ends the processes by SIGKILL, and waits until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(processes), timeout=5)


def end_group(process: "subprocess.Popen[bytes]", grace_seconds: float = 3.0) -> None:
    """Ends the group that the process leads, and all descendants: SIGTERM, a wait, then SIGKILL."""
    members = tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
