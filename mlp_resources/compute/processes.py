"""Child processes of the platform: they die with their parent, and are ended with all that they started."""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

_PARENT_DEATH_SIGNAL = 1
_GRACE_SECONDS = 8.0
# Added to a process's share of memory, in thousandths, when the kernel chooses which process to kill for memory. A
# training can be repeated, and a run starts again; the services and the endpoints have to stay.
KILL_TRAINING, KILL_RUN = 500, 300


def die_with_parent() -> None:
    """Has the kernel end this process when its parent dies, even by SIGKILL. To be used as ``preexec_fn``."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def offer_to_kernel(adjustment: int, pid: int | str = "self") -> None:
    """Has the kernel kill this process before others when memory runs out, and whatever it starts."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(adjustment))


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
