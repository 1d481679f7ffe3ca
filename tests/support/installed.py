"""The `mlp` command as a user has it: with a home and ports of its own, in a process of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.machine_in_use import MachineInUse, machine_in_use
from tests.support.ports import platform_ports
from tests.support.processes import end_services, end_tree

MLP = str(Path(sys.executable).parent / "mlp")
START_SECONDS = 400
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
  }
}"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"


class Installed:
    """The `mlp` command with a home and ports of its own, as a user has it, on a machine that is in use."""

    def __init__(self, home: Path, machine: MachineInUse) -> None:
        self.home = home
        self.output = home.with_suffix(".out")
        self.ports = platform_ports()
        self.environment = (
            os.environ | machine.variables | {name: str(port) for name, port in self.ports.by_variable().items()}
        )
        self._started: list[subprocess.Popen[bytes]] = []
        self.environment |= {"MLP_HOME": str(home), "MLP_SENSOR_SECONDS": "5"}

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [MLP, *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def up(self, *words: str) -> "subprocess.Popen[bytes]":
        """Starts `mlp up` and returns when it says that it is up."""
        with self.output.open("wb") as out:
            process = subprocess.Popen(
                [MLP, "up", *words], env=self.environment, stdout=out, stderr=out, preexec_fn=_accept_interrupts
            )
        self._started.append(process)
        deadline = time.monotonic() + START_SECONDS
        while "The platform is up" not in self.printed():
            assert time.monotonic() < deadline, self.output.read_text()
            assert process.poll() is None, self.output.read_text()
            time.sleep(0.2)
        return process

    def printed(self) -> str:
        """The output of `mlp up` so far."""
        return flat(self.output.read_text())

    def left(self) -> list[str]:
        """Running processes whose command line names this home."""
        commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        return [command[:200] for command in commands if str(self.home) in command]

    def end(self) -> None:
        """Kills every process that was started, however far the test came."""
        for process in self._started:
            end_tree(process)
        end_services(self.home)


def _accept_interrupts() -> None:
    """Undoes that a shell starts background jobs, such as the tests, with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def installed() -> Iterator[Installed]:
    """Checks at the end that no foreign server was asked, and that the user's files are as they were."""
    folder = Path(tempfile.mkdtemp(prefix="mlp", dir="/tmp"))
    try:
        with machine_in_use(folder) as machine:
            platform = Installed(folder / "home", machine)
            try:
                yield platform
            finally:
                platform.end()
            assert (machine.asked, machine.changes()) == ([], [])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def run_status(installed: Installed, job: str, tags: dict[str, str], location: str = "retail") -> str:
    """The final status of a run that is launched as the web UI does it."""
    url = f"http://127.0.0.1:{installed.ports.dagster}/graphql"
    selector = {
        "repositoryLocationName": location, "repositoryName": "__repository__", "pipelineName": job,
    }  # fmt: skip
    metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
    params = {"selector": selector, "mode": "default", "executionMetadata": metadata, "runConfigData": {}}
    answer = httpx.post(url, json={"query": LAUNCH, "variables": {"params": params}}, timeout=60).json()
    assert "run" in answer["data"]["launchRun"], answer
    run = answer["data"]["launchRun"]["run"]["runId"]
    deadline, status = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline and status not in ("SUCCESS", "FAILURE", "CANCELED"):
        response = httpx.post(url, json={"query": STATUS, "variables": {"run": run}}, timeout=60).json()
        status = response["data"]["runOrError"]["status"]
        time.sleep(0.5)
    return status
