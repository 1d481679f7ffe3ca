"""What can go wrong before anything starts: one clear sentence each."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_assets.errors import MlpError
from mlp_assets.local_platform.leftovers import left_behind, mark
from mlp_assets.local_platform.services import Service, services
from mlp_assets.local_platform.supervisor import (
    ServiceError,
    Supervisor,
    check_port,
    running_instance,
    single_instance,
    stop_running,
)
from tests.support.ports import free_ports, platform_ports

HOLD = """
import os, signal, sys
from mlp_assets.local_platform.services import Ports
from mlp_assets.local_platform.supervisor import single_instance
with single_instance(Ports(*map(int, sys.argv[1:]))):
    print("held", flush=True)
    signal.pause()
"""


def test_a_port_that_someone_else_has(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServiceError) as told:
            check_port("MLP_PORT_DAGSTER", port)
    assert f"Port {port} is taken by process {os.getpid()}" in str(told.value)
    assert f"MLP_PORT_DAGSTER={port + 1} mlp up" in str(told.value)


def test_a_lock_is_held_and_one_of_a_killed_process_is_free(home: Path) -> None:
    ports = platform_ports()
    command = [sys.executable, "-c", HOLD, *map(str, vars(ports).values())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = running_instance()
        assert found is not None
        assert found.pid == holder.pid
        with (
            pytest.raises(ServiceError, match=f"up already \\(process {holder.pid}\\)"),
            single_instance(platform_ports()),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert running_instance() is None
    with single_instance(ports):
        assert (home / "run" / "up.pid").read_text() == str(os.getpid())
    assert (home / "run" / "up.pid").read_text() == ""


def test_no_workspace_file(home: Path) -> None:
    with pytest.raises(MlpError, match=r"There is no workspace file nowhere\.yaml\. Run from the project's folder"):
        services(platform_ports(), Path("nowhere.yaml"))


def test_trials_of_a_search_go_to_the_ray_that_is_up_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        (dagster,) = [one for one in services(platform_ports(), Path("workspace.yaml")) if one.name == "dagster"]
        return dagster.settings["MLP_TRIALS"]

    monkeypatch.delenv("MLP_TRIALS", raising=False)
    assert told() == "ray"
    monkeypatch.setenv("MLP_TRIALS", "local")
    assert told() == "local"


def test_a_service_that_ends_at_once_is_told_with_its_last_words_and_the_others_end(home: Path) -> None:
    (port,) = free_ports(1)
    healthy = f"http://127.0.0.1:{port}/"
    well = Service("files", (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"), healthy, healthy)
    broken = Service("broken", (sys.executable, "-c", "raise SystemExit('no such flag')"), "http://127.0.0.1:1/", "")
    supervisor = Supervisor()
    with pytest.raises(ServiceError, match=r"broken ended while it started\.(.|\n)*no such flag"):
        supervisor.start([well, broken])
    with socket.socket() as asked:
        assert asked.connect_ex(("127.0.0.1", port)) != 0


def test_what_a_killed_platform_left_is_told_and_ended(home: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); signal.pause()"
    commands = [[sys.executable, "-c", stubborn], ["sleep", "600"]]
    left = [subprocess.Popen(c, env=os.environ | mark(), stdout=subprocess.PIPE, text=True) for c in commands]
    other = subprocess.Popen(["sleep", "600"], env=os.environ | dict.fromkeys(mark(), "/elsewhere"))
    assert left[0].stdout is not None
    assert left[0].stdout.readline() == "here\n"
    with (
        pytest.raises(ServiceError, match="killed left 2 processes. End them with `mlp down`."),
        single_instance(platform_ports()),
    ):
        pass
    assert stop_running()
    assert left_behind() == []
    assert not stop_running()
    assert other.poll() is None
    other.kill()
    other.wait()
    for process in left:
        process.communicate()


def test_a_home_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLP_HOME", str(tmp_path / "file" / "home"))
    with (
        pytest.raises(
            ServiceError, match=r"cannot be written \(Not a directory\). Choose another directory: MLP_HOME="
        ),
        single_instance(platform_ports()),
    ):
        pass
