"""A local Ray cluster of two workers, and a thread that watches and kills the workers."""

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from mlp_assets.local_platform.services import services
from mlp_assets.local_platform.supervisor import Supervisor
from mlp_resources.compute.shards_ray import _run
from tests.support.ports import platform_ports

_TASK = f"ray::{_run.__name__}"  # how Ray names the process of a worker that runs a shard


@dataclass(frozen=True)
class RayCluster:
    """A running cluster: its home, and the addresses by which it is reached."""

    home: Path
    address: str
    dashboard: str
    serve_port: int


@contextlib.contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster, started as `mlp up` starts it. Checks that it leaves no process."""
    folder = Path(tempfile.mkdtemp(prefix="mlp", dir="/tmp"))
    ports = platform_ports()
    supervisor = Supervisor()
    with _home(folder):
        supervisor.start([service for service in services(ports, Path("workspace.yaml")) if service.name == "ray"])
    try:
        yield RayCluster(folder, f"127.0.0.1:{ports.ray}", f"http://127.0.0.1:{ports.ray_dashboard}", ports.serve)
    finally:
        with _home(folder):
            supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(folder) in command]


@contextlib.contextmanager
def _home(folder: Path) -> Iterator[None]:
    """The cluster's home as the platform's, instead of that of the test that starts or ends it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLP_HOME", str(folder))
        yield


class SharedCluster:
    """One cluster for several test files: started by the first that asks, and ended after the last."""

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._cluster: RayCluster | None = None

    def get(self) -> RayCluster:
        if self._cluster is None:
            self._cluster = self._running.enter_context(ray_cluster())
        return self._cluster

    def end(self) -> None:
        self._cluster = None
        self._running.close()


SHARED = SharedCluster()


class WorkerWatch(threading.Thread):
    """Records the workers that run shards and their peak memory, and kills the first ``kills`` of them."""

    def __init__(self, kills: int) -> None:
        super().__init__(daemon=True)
        self.kills, self.killed, self.peak, self.seen = kills, 0, 0, set[int]()
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.02):
            for process in psutil.process_iter(["cmdline", "memory_info"]):
                if (process.info["cmdline"] or [""])[0].startswith(_TASK):
                    self._record(process)

    def _record(self, process: psutil.Process) -> None:
        self.peak = max(self.peak, process.info["memory_info"].rss)
        self.seen.add(process.pid)
        if self.killed < self.kills:
            time.sleep(0.05)
            process.kill()
            self.killed += 1
