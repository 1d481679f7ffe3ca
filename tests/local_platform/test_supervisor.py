"""The supervisor of services: its lock, its messages, and what it ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlp_assets.errors import MlpError
from mlp_assets.local_platform.health import Probe
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
from tests.support.processes import child, read_line, script

HOLD = """
import os, signal, sys
from mlp_assets.local_platform.services import Ports
from mlp_assets.local_platform.supervisor import single_instance
with single_instance(Ports(*map(int, sys.argv[1:]))):
    print("held", flush=True)
    signal.pause()
"""


def test_a_taken_port_is_named_with_its_owner(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServiceError) as refused:
            check_port("MLP_PORT_DAGSTER", port)
    assert f"Port {port} is taken by process {os.getpid()}" in str(refused.value)
    assert f"MLP_PORT_DAGSTER={port + 1} mlp up" in str(refused.value)


def test_the_lock_ends_with_its_process(home: Path) -> None:
    ports = platform_ports()
    with script(HOLD, *map(str, vars(ports).values())) as holder:
        assert read_line(holder) == "held"
        running = running_instance()
        assert running is not None
        assert running.pid == holder.pid
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


def test_a_missing_workspace_file(home: Path) -> None:
    with pytest.raises(MlpError, match=r"There is no workspace file nowhere\.yaml\. Run from the project's folder"):
        services(platform_ports(), Path("nowhere.yaml"))


def test_a_service_that_may_start_twice_is_started_again(home: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    serve = f"{sys.executable} -m http.server {port} --bind 127.0.0.1"
    command = ("bash", "-c", f"[ -e {tmp_path}/once ] && exec {serve}; touch {tmp_path}/once; exit 3")
    service, reports = Service("late", command, Probe(f"http://127.0.0.1:{port}/"), "", starts=2), list[str]()
    supervisor = Supervisor(reports.append)
    supervisor.start([service])
    supervisor.stop()
    assert reports[0] == "late ended while it started, and is started again."
    (tmp_path / "once").unlink()
    with pytest.raises(ServiceError, match="late ended while it started"):
        Supervisor().start([replace(service, starts=1)])


def test_a_service_that_ends_at_once_is_reported_with_its_log_and_the_others_end(home: Path) -> None:
    (port,) = free_ports(1)
    healthy = f"http://127.0.0.1:{port}/"
    serve = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    well = Service("files", serve, Probe(healthy), healthy)
    broken = Service(
        "broken", (sys.executable, "-c", "raise SystemExit('no such flag')"), Probe("http://127.0.0.1:1/"), ""
    )
    supervisor = Supervisor()
    with pytest.raises(ServiceError, match=r"broken ended while it started\.(.|\n)*no such flag"):
        supervisor.start([well, broken])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_processes_of_a_killed_platform_are_reported_and_ended(home: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); signal.pause()"
    commands = [[sys.executable, "-c", stubborn], ["sleep", "600"]]
    with contextlib.ExitStack() as stack:
        options = {"env": os.environ | mark(), "stdout": subprocess.PIPE, "text": True}
        first, _ = [stack.enter_context(child(*command, **options)) for command in commands]
        other = stack.enter_context(child("sleep", "600", env=os.environ | dict.fromkeys(mark(), "/elsewhere")))
        assert read_line(first) == "here"
        with (
            pytest.raises(ServiceError, match="killed left 2 processes. End them with `mlp down`."),
            single_instance(platform_ports()),
        ):
            pass
        assert stop_running()
        assert left_behind() == []
        assert not stop_running()
        assert other.poll() is None


def test_a_home_that_cannot_be_created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLP_HOME", str(tmp_path / "file" / "home"))
    with (
        pytest.raises(
            ServiceError, match=r"cannot be written \(Not a directory\). Choose another directory: MLP_HOME="
        ),
        single_instance(platform_ports()),
    ):
        pass


@pytest.mark.parametrize("port", [10002, 19999])
def test_a_port_that_ray_may_give_to_a_worker_is_refused(port: int) -> None:
    with pytest.raises(
        ServiceError, match=rf"MLP_PORT_SERVE={port} lies between 10002 and 19999, where Ray opens ports"
    ):
        check_port("MLP_PORT_SERVE", port)
