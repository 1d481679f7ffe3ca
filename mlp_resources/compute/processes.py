"""What child processes of the platform have in common: they die with their parent, have a tree, and are ended."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Collection, Mapping, Sequence

import psutil

_PARENT_DEATH_SIGNAL = 1
_GRACE_SECONDS = 8.0


def die_with_parent() -> None:
    """To be called in a new child (``preexec_fn``): the kernel ends it when its parent is gone, even by SIGKILL."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def child_environment(changes: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """The environment variables of a child process: this process's, with changes, without some names."""
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return inherited | dict(changes)


def tree(pid: int) -> list[psutil.Process]:
    """The process and all that come of it; nothing when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


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
