"""A command that fails says so in one sentence; the stack trace goes into a file that only the user may read."""

import errno
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from mlp_assets.errors import MlpError
from mlp_assets.local_http import local_client
from mlp_assets.local_platform.failures import explain
from mlp_resources.compute.memory_kills import MemoryKills

FAIL = """
import sys
from mlp_assets.cli import main

@main.app.command()
def fail() -> None:
    {code}

sys.argv = ["mlp", "fail"]
main.main()
"""


def run_failing(code: str) -> tuple[int, str]:
    """The exit status and all output of a command that runs the code."""
    command = [sys.executable, "-c", FAIL.format(code=code)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "2000"})
    return run.returncode, run.stdout + run.stderr


def details_of(sentence: str) -> Path:
    (file,) = re.findall(r"The details are in (\S+)\.", sentence)
    return Path(file)


def test_an_unexpected_error_leaves_its_trace_below_the_home(home: Path) -> None:
    home.mkdir()
    status, output = run_failing("print(1 / 0)")
    assert status == 1
    assert output.startswith("The command failed unexpectedly: ZeroDivisionError: division by zero. The details are in")
    assert "Traceback" not in output
    file = details_of(output)
    assert file.parent == home / "logs"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "print(1 / 0)" in file.read_text() or "ZeroDivisionError" in file.read_text()


def test_without_a_home_the_trace_is_a_temporary_file(home: Path) -> None:
    status, output = run_failing("raise ValueError('of two lines\\nand more')")
    file = details_of(output)
    try:
        assert (status, home.exists(), file.stat().st_mode & 0o777) == (1, False, 0o600)
        assert "ValueError: of two lines. The details" in output
    finally:
        file.unlink()


def test_a_home_that_cannot_be_told(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("MLP_HOME", "~no_such_user/home")
    status, output = run_failing("from mlp_resources.environments.home import home; home()")
    details_of(output).unlink()
    assert (status, "Traceback" in output) == (1, False)


def test_a_thread_that_fails_prints_no_trace(home: Path) -> None:
    home.mkdir()
    status, output = run_failing("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()")
    assert status == 0
    assert output.startswith("A part of the command failed. The details are in")
    assert "ZeroDivisionError" in details_of(output).read_text()


@pytest.mark.parametrize(("code", "status"), [("raise KeyboardInterrupt", 130), ("raise SystemExit(3)", 3)])
def test_an_interrupt_and_a_status_stay_silent(home: Path, code: str, status: int) -> None:
    assert run_failing(code) == (status, "")


def test_a_server_that_hangs_up_is_named(home: Path) -> None:
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with local_client(timeout=10) as client, pytest.raises(httpx.HTTPError) as raised:
            client.get(f"http://127.0.0.1:{port}/infer")
    sentence = explain(raised.value, time.time())
    assert sentence.startswith(f"The server at http://127.0.0.1:{port} did not answer as expected: ")
    assert "`mlp doctor` shows which service is not well." in sentence


def test_a_full_disk_and_a_missing_permission(home: Path) -> None:
    home.mkdir()
    full = explain(OSError(errno.ENOSPC, "No space left on device", "/data/file"), time.time())
    assert full.startswith("The disk is full (/data/file). Free some space, then run the command again.")
    denied = explain(PermissionError(errno.EACCES, "Permission denied", "/data/file"), time.time())
    assert denied.startswith("This user may not use /data/file.")


def test_what_was_killed_for_memory_meanwhile_is_said_too(home: Path) -> None:
    started = time.time()
    MemoryKills(home).add(7, "The kernel killed Ray's head because memory ran out.")
    assert explain(MlpError("No alarm within 120 s."), started).splitlines() == [
        "No alarm within 120 s.",
        "The kernel killed Ray's head because memory ran out.",
    ]
    assert explain(MlpError("No alarm within 120 s."), time.time()) == "No alarm within 120 s."
