"""Runs a command that leaves servers behind, and holds them: ``python -m mlp_resources.compute.guard COMMAND...``.

The servers become children of this process, which ends them all when it is told to end or when one of them ends. It
takes the place of ``ray start --block``, which holds 130 MB to do the same.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import psutil

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: the orphans of this process's descendants become its children
_GRACE_SECONDS = 5.0


def main(command: list[str]) -> int:
    """Returns the status of the command if it fails, else 1 when one of its servers has ended."""
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        status = os.waitstatus_to_exitcode(_run(command))
        if status != 0:
            return status if status > 0 else 1
        return _hold()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all()


def _end(*_: object) -> None:
    sys.exit(143)


def _run(command: list[str]) -> int:
    pid = os.posix_spawnp(command[0], command, os.environ)
    while True:
        ended, status = os.wait()
        if ended == pid:
            return status


def _hold() -> int:
    """Waits until one of the servers that the command left ends, and says which. Later orphans may come and go."""
    servers = {process.pid: _name(process.pid) for process in psutil.Process().children()}
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if not ended:
            time.sleep(0.5)
        elif ended in servers:
            code = os.waitstatus_to_exitcode(status)
            how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
            print(f"{servers[ended]} (process {ended}) ended: {how}", file=sys.stderr, flush=True)
            return 1


def _name(pid: int) -> str:
    """The program, or the script that Python runs."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        scripts = [word for word in words if word.endswith(b".py")]
        return Path((scripts or words)[0].decode(errors="replace")).name
    return "a process"


def _end_all() -> None:
    """Asks all descendants to end, and kills those that are left after the grace period."""
    deadline = time.monotonic() + _GRACE_SECONDS
    _signal_children(signal.SIGTERM)
    while _reap() and time.monotonic() < deadline:
        time.sleep(0.05)
    while _reap():  # a child's own children become ours when it is killed
        _signal_children(signal.SIGKILL)
        time.sleep(0.05)


def _signal_children(number: int) -> None:
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _reap() -> bool:
    """Collects what has ended. Returns whether children are left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if not ended:
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
