"""Processes that the kernel killed for memory are named, in a real control group; others are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_assets.local_platform.leftovers import mark
from mlp_assets.local_platform.memory_watch import MemoryWatch
from mlp_assets.local_platform.process_roles import RUN, role_of, training_name
from mlp_resources.compute.memory_kills import MemoryKills
from tests.support.limited_memory import run_limited
from tests.support.ports import free_ports
from tests.support.processes import child, read_line

PYTHON = "/home/ann/.venv/bin/python3.11"
# Two processes of the platform vanish in the same second: one that the kernel killed, and one that ended by itself. The
# first stands for a replica, which Ray starts and which has the home's mark; the kernel is told to prefer it.
WATCH = """
import subprocess, sys, time
from mlp_assets.local_platform.memory_watch import MemoryWatch

GROW = "import time; blocks = []\\nwhile True: blocks.append(b'x' * 2**24); time.sleep(0.1)"
def start(code, name):
    return subprocess.Popen([name, "-c", code], executable=sys.executable)

with MemoryWatch(print, 1):
    ended = start("import time; time.sleep(1.5)", "other")
    code = GROW if sys.argv[1] == "grow" else "import time; time.sleep(1.5)"
    killed = start(code, "ray::ServeReplica:shop.score:endpoint")
    print("status", killed.wait(), ended.wait(), flush=True)
    time.sleep(float(sys.argv[2]))
"""
SERVICE = """
import sys
from mlp_assets.local_platform.health import Probe
from mlp_assets.local_platform.memory_watch import MemoryWatch
from mlp_assets.local_platform.services import Service
from mlp_assets.local_platform.supervisor import ServiceError, Supervisor

SERVER = '''
import http.server, sys, threading, time
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(3)
blocks = []
while True: blocks.append(b"x" * 2**24); time.sleep(0.1)
'''
url = f"http://127.0.0.1:{sys.argv[1]}/"
supervisor = Supervisor()
with MemoryWatch(lambda _: None, 1):
    supervisor.start([Service("mlflow", (sys.executable, "-c", SERVER, sys.argv[1]), Probe(url), url)])
    try:
        supervisor.watch()
    except ServiceError as error:
        print(error)
    finally:
        supervisor.stop()
"""


def watch(home: Path, what: str, seconds: float) -> list[str]:
    """The lines that the watch reports."""
    environment = os.environ | mark() | {"MLP_HOME": str(home)}
    run = run_limited([sys.executable, "-c", WATCH, what, str(seconds)], 400 * 1024**2, environment)
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group, so the kernel kills nothing")
    status, *lines = run.output.splitlines()
    assert status == ("status -9 0" if what == "grow" else "status 0 0"), run.output
    return lines


@pytest.mark.parametrize("seconds", [4.0, 0.0], ids=["while it goes on", "at the end"])
def test_a_process_that_the_kernel_killed_is_named_with_the_remedy(home: Path, seconds: float) -> None:
    (line,) = watch(home, "grow", seconds)
    assert line.startswith("The kernel killed a replica of endpoint shop.score because memory ran out: it held 0.")
    assert line.endswith(
        "GB of the 0.4 GB of this container. Ray starts it again. Give the platform more memory, or run less beside "
        "the endpoints."
    )
    assert MemoryKills(home).since(0) == [line]


def test_processes_that_end_by_themselves_are_not_named(home: Path) -> None:
    assert watch(home, "sleep", 3.0) == []
    assert MemoryKills(home).since(0) == []


def test_a_service_that_the_kernel_killed_ends_the_platform_with_that_reason(home: Path) -> None:
    home.mkdir()
    command = [sys.executable, "-c", SERVICE, str(free_ports(1)[0])]
    run = run_limited(command, 500 * 1024**2, os.environ | {"MLP_HOME": str(home)})
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group, so the kernel kills nothing")
    assert "mlflow ended by itself (SIGKILL), so the platform stops. The kernel killed a process of the" in run.output
    assert "because memory ran out: it held 0." in run.output


def test_the_kernel_is_offered_runs_before_services(home: Path) -> None:
    code = (
        "import subprocess, sys; sleep = ['multiprocessing.spawn', '-c', 'import time; time.sleep(60)']; "
        "run = subprocess.Popen(sleep, executable=sys.argv[1]); print(run.pid, flush=True); run.wait()"
    )
    options = {"executable": sys.executable, "stdout": subprocess.PIPE, "text": True}
    with child("dagster api grpc", "-c", code, sys.executable, **options) as server:
        run = int(read_line(server))
        MemoryWatch(print, 1).look()
        adjustments = [Path(f"/proc/{pid}/oom_score_adj").read_text().strip() for pid in (server.pid, run)]
    assert adjustments == ["0", "300"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ray::ServeReplica:retail.repurchase_score:endpoint", "a replica of endpoint retail.repurchase_score"),
        ("ray::ProxyActor", "the proxy of the endpoints"),
        (f"{PYTHON} -m mlp_resources.compute.guard /x/bin/ray start --head", "Ray"),
        ("/x/site-packages/ray/core/src/ray/gcs/gcs_server --log_dir=/x", "Ray's head"),
        ("/x/site-packages/ray/core/src/ray/raylet/raylet --raylet_socket_name=/x", "Ray's raylet"),
        (f"{PYTHON} -m mlp_resources.registry.mlflow_process --host 127.0.0.1", "MLflow"),
        (f"{PYTHON} -m uvicorn --host 127.0.0.1 mlflow.server.fastapi_app:app", "MLflow"),
        (f"{PYTHON} -m dagster api grpc --lazy-load-user-code", "Dagster's code server"),
        (f"{PYTHON} -m dagster._daemon run", "Dagster's daemon"),
        (f"{PYTHON} -m mlp_assets.training.main /x/spec.json", "a training"),
        ("/usr/bin/tail -f log", "a process of the platform (tail)"),
    ],
)
def test_roles_in_the_users_words(command: str, name: str) -> None:
    assert role_of(command).name == name


def test_a_child_of_the_code_server_is_a_run(tmp_path: Path) -> None:
    spawned = f"{PYTHON} -c from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)"
    assert role_of(spawned, f"{PYTHON} -m dagster api grpc --socket /x") is RUN
    assert role_of(spawned, f"{PYTHON} -m mlp_assets.training.main /x") is not RUN
    (tmp_path / "spec.json").write_text('{"name": "shop.score"}')
    assert training_name(f"{PYTHON} -m mlp_assets.training.main {tmp_path}/spec.json") == "shop.score"
    assert training_name("python") is None
