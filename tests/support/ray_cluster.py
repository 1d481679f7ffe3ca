"""A local Ray cluster of two workers, and a thread that watches and kills the workers."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlp_assets.local_platform.services import services
from mlp_assets.local_platform.supervisor import Supervisor
from mlp_resources.compute.shards_ray import _run
from tests.support.ports import platform_ports

_TASK = f"ray::{_run.__name__}"  # how Ray names the process of a worker that runs a shard


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """The address of a Ray cluster, started as `mlp up` starts it."""
    import ray

    folder = Path(tempfile.mkdtemp(prefix="mlp", dir="/tmp"))
    ports = platform_ports()
    before, os.environ["MLP_HOME"] = os.environ.get("MLP_HOME"), str(folder)
    supervisor = Supervisor()
    supervisor.start([service for service in services(ports, Path("workspace.yaml")) if service.name == "ray"])
    try:
        yield f"127.0.0.1:{ports.ray}"
    finally:
        ray.shutdown()
        supervisor.stop()
        os.environ.pop("MLP_HOME") if before is None else os.environ.update(MLP_HOME=before)
        shutil.rmtree(folder, ignore_errors=True)


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
