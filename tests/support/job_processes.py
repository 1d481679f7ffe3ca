"""The processes of training jobs: found by their folder, and ended also when the test fails."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlp_resources.compute.processes import end
from tests.support.processes import child

StartPython = Callable[..., "subprocess.Popen[Any]"]


@pytest.fixture
def start_python() -> Iterator[StartPython]:
    """Starts a Python process that runs some code with this process's search path, and ends it after the test."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])}
    with contextlib.ExitStack() as started:

        def start(code: str, *arguments: object) -> "subprocess.Popen[Any]":
            return started.enter_context(child(sys.executable, "-c", code, *map(str, arguments), env=environment))

        yield start


@pytest.fixture
def no_process_left(tmp_path: Path) -> Iterator[None]:
    """Ends processes whose command line names a path of the test: trainings and their supervisors."""
    yield
    end(processes_of(tmp_path))


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes whose command line names a path in the folder."""
    members: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and str(folder) in " ".join(process.cmdline()):
                members.append(process)
    return members


def ranks_of(folder: Path) -> list[psutil.Process]:
    """The training processes of jobs below the folder, without launchers and supervisors."""
    ranks: list[psutil.Process] = []
    for process in processes_of(folder):
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "mlp_assets.training.main" in command and "torch.distributed.run" not in command:
                ranks.append(process)
    return ranks


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits until the condition holds, and fails the test where it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen in {seconds:.0f} s"
        time.sleep(0.05)
