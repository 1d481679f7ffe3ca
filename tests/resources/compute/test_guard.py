"""The guard holds what a command leaves behind, and ends it all when it ends."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

# Starts two servers, one of which has a child that ignores SIGTERM, writes their numbers, and ends.
COMMAND = """
import subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
run = f"print(subprocess.Popen([sys.executable, '-c', {deaf!r}]).pid, flush=True)"
parent = f"import subprocess, sys, time; {run}; time.sleep(600)"
servers = [subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) for _ in range(2)]
children = [server.stdout.readline().strip() for server in servers]
open(sys.argv[1], "w").write(" ".join([*(str(server.pid) for server in servers), *children]))
"""

Held = tuple["subprocess.Popen[str]", list[psutil.Process]]


def _start(*command: str) -> "subprocess.Popen[str]":
    guard = [sys.executable, "-m", "mlp_resources.compute.guard", *command]
    return subprocess.Popen(guard, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    guard = _start(sys.executable, "-c", COMMAND, str(tmp_path / "pids"))
    _wait(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 4)
    processes = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    time.sleep(1)
    with guard:
        yield guard, processes
        guard.kill()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_it_ends_what_it_holds_with_all_descendants(held: Held) -> None:
    guard, processes = held
    assert not _gone(processes)
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(30) == 143
    assert _gone(processes)


def test_a_server_that_is_killed_is_named_and_the_others_end(held: Held) -> None:
    guard, processes = held
    processes[0].kill()
    assert guard.wait(30) == 1
    assert guard.stderr is not None
    assert f"(process {processes[0].pid}) ended: SIGKILL" in guard.stderr.read()
    assert _gone(processes)


def test_an_orphan_that_ends_later_ends_nothing(held: Held) -> None:
    """The deaf child of a killed server's sibling is no server; it may come and go."""
    guard, processes = held
    processes[2].kill()
    time.sleep(2)
    assert guard.poll() is None


def test_a_command_that_fails_gives_its_status() -> None:
    with _start(sys.executable, "-c", "import sys; sys.exit('no such option')") as guard:
        assert guard.wait(30) == 1
        assert guard.stderr is not None
        assert "no such option" in guard.stderr.read()
