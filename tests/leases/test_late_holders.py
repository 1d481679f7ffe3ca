"""What the leases protect: a writer that was stopped for too long changes nothing of the next one's.

Ray's REST interface is a small HTTP server here, as what is tested is who may write, not what Ray does with it.
"""

import json
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlp_assets.jobs.fence import Fence, LeaseLostError
from mlp_assets.jobs.local_folder import local_folder
from mlp_assets.training.checkpoints import Checkpoints
from mlp_resources.compute import job_folder
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.training import run_job
from mlp_resources.serving.ray import RayServing
from tests.support.job_processes import no_process_left
from tests.support.processes import read_line, script, stop_outside
from tests.support.resumable_training import begun, job

__all__ = ["no_process_left"]

PLAN = {"project": "shop", "endpoint": "a", "route": "/a", "derive": None, "model": {"version": "1"}}
OPTIONS = {"replicas": [1, 1], "cpus": 0.1}
APPLY = f"""
import sys
from pathlib import Path
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.serving.ray import RayServing
port = int(sys.argv[2])
serving = RayServing(Path(sys.argv[1]), f"http://127.0.0.1:{{port}}", port, lease_seconds=1)
try:
    print(serving.apply({PLAN!r}, {OPTIONS!r}), flush=True)
except LeaseLostError as error:
    print(error, flush=True)
"""
SAVE = """
import sys
from pathlib import Path
from mlp_assets.jobs.fence import Fence, LeaseLostError
from mlp_resources.leases.local import LocalLeases
from tests.leases.test_late_holders import Counter, checkpoints
counter = Counter()
lease = LocalLeases(Path(sys.argv[1])).acquire("attempt", seconds=1)
saved = checkpoints(sys.argv[2], counter, Fence(f"{sys.argv[1]}/attempt.lease", lease.number))
counter.value = 1
saved.save()
print("saved", flush=True)
sys.stdin.readline()
counter.value = 666
try:
    saved.save()
    print("saved again", flush=True)
except LeaseLostError as error:
    print(error, flush=True)
"""


class Counter:
    """Something with a state to save."""

    def __init__(self) -> None:
        self.value = 0

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.value = state["value"]


def checkpoints(location: str, counter: Counter, fence: Fence) -> Checkpoints:
    return Checkpoints(location, {"counter": counter}, fence=fence)


class Cluster(ThreadingHTTPServer):
    """Answers as Ray's dashboard and as the endpoints do; applications are running once ``ready`` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.applications: list[str] = []
        self.ready, self.asked = threading.Event(), threading.Event()


class Answer(BaseHTTPRequestHandler):
    server: Cluster  # type: ignore[assignment]

    def do_PUT(self) -> None:
        config = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.applications = [application["name"] for application in config["applications"]]
        self._send({})

    def do_GET(self) -> None:
        if "applications" not in self.path:
            return self._send({"versions": ["1"]})
        self.server.asked.set()
        status = "RUNNING" if self.server.ready.is_set() else "DEPLOYING"
        return self._send({"applications": {name: {"status": status} for name in self.server.applications}})

    def _send(self, content: dict[str, Any]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_desired_state_of_a_late_writer_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    port = cluster.server_address[1]
    serving = RayServing(tmp_path, f"http://127.0.0.1:{port}", port)
    with script(APPLY, str(tmp_path), str(port)) as late:
        assert cluster.asked.wait(60)  # the late one has sent its state, and waits for the endpoint
        stop_outside(tmp_path / "leases" / "serving.lock", late)
        cluster.ready.set()
        assert serving.apply({**PLAN, "endpoint": "b", "route": "/b"}, OPTIONS)
        late.send_signal(signal.SIGCONT)
        assert "lease serving number 1 expired" in read_line(late)
    assert list(serving.desired()) == ["shop.b"]
    assert cluster.applications == ["shop.b"]


def test_checkpoints_of_a_late_attempt_are_refused(tmp_path: Path) -> None:
    location, leases, counter = str(tmp_path / "checkpoints"), LocalLeases(tmp_path), Counter()
    with script(SAVE, str(tmp_path), location) as late:
        assert read_line(late) == "saved"
        stop_outside(tmp_path / "attempt.lock", late)
        lease = leases.acquire("attempt", seconds=600, wait_seconds=30)
        resumed = checkpoints(location, counter, Fence(str(tmp_path / "attempt.lease"), lease.number))
        assert counter.value == 1
        counter.value = 2
        resumed.save()
        late.send_signal(signal.SIGCONT)
        assert late.stdin is not None
        late.stdin.write("save\n")
        late.stdin.flush()
        assert "lease attempt number 1 expired" in read_line(late)
    newest = Counter()
    checkpoints(location, newest, Fence(str(tmp_path / "attempt.lease"), lease.number))
    assert newest.value == 2
    leases.release(lease)


@pytest.mark.usefixtures("no_process_left")
def test_an_attempt_whose_supervisor_is_stopped_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_folder, "_STALLED_SECONDS", 1.0)
    monkeypatch.setattr(job_folder, "_BEAT_AGAIN_SECONDS", 0.5)
    runs, spec = tmp_path / "runs", job(tmp_path, processes=1, resume_key="kept", pause=0.05)
    runner = LocalRunner(runs)
    handle = runner.submit(spec)
    first = job_folder.JobFolder(local_folder(handle.address))
    deadline = time.monotonic() + 120
    while not list(runs.glob("checkpoints/kept-kept/*/manifest.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for process in first.processes():
        process.suspend()
    time.sleep(1.2)
    result = run_job(runner, job(tmp_path, processes=1, resume_key="kept"))
    assert result.folder.parent.name == "kept-kept.2"
    assert begun(result)[-1] > 0
    fence = Fence.of_job(first.path)
    assert fence is not None
    assert fence.number == 1
    with pytest.raises(LeaseLostError), fence.write():
        raise AssertionError
