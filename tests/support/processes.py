"""Child processes of tests: each is ended with everything that it started, also when the test fails."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from mlp_resources.compute.processes import end, tree
from mlp_resources.environments.own_services import STARTED_FOR

_GRACE_SECONDS = 10.0


def end_tree(process: "subprocess.Popen[Any]") -> None:
    """Kills the process, its group and its descendants, waits for all of them, and closes its pipes."""
    members = tree(process.pid)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait(_GRACE_SECONDS)
    psutil.wait_procs(members, timeout=_GRACE_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def end_services(home: Path) -> None:
    """Kills every process that a platform in this home started, until there is none."""
    while left := [process for process in psutil.process_iter() if _started_for(process) == str(home)]:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        end(left, ask=False)


def _started_for(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(STARTED_FOR)
    return None


@contextlib.contextmanager
def child(*command: str, **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """A process in a group of its own that does not outlive the block; ``options`` are those of ``Popen``."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        end_tree(process)


@contextlib.contextmanager
def script(code: str, *arguments: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A Python process that runs the code, with text pipes for its input, output and errors."""
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    with child(sys.executable, "-c", code, *arguments, **(pipes | options)) as process:
        yield process


def stop_outside(lock: Path, process: "subprocess.Popen[Any]") -> None:
    """Suspends the process at a moment in which it does not hold the lock."""
    while True:
        process.send_signal(signal.SIGSTOP)
        with contextlib.suppress(Timeout), FileLock(lock, timeout=0.5):
            return
        process.send_signal(signal.SIGCONT)


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line of the process's output, without its end."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
