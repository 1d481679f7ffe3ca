"""Reads through the platform's MLflow server: the same answers as from the store, and only from a server of our own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlp_assets.local_platform.services import services
from mlp_assets.local_platform.supervisor import Supervisor
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.environments.own_services import serves
from mlp_resources.registry.mlflow import MlflowRegistry
from mlp_resources.registry.mlflow_server import MlflowServer, NoAnswerError
from tests.support.candidate import candidate
from tests.support.mlflow_store import empty_store
from tests.support.ports import free_ports, platform_ports

ROOT = Path(__file__).parents[3]

TICK = """
import sys
import dagster as dg
from mlp_assets.definitions import definitions
sensor = definitions().get_sensor_def("watch_aliases")
with dg.DagsterInstance.ephemeral() as instance:
    result = sensor(dg.build_sensor_context(instance=instance))
assert [event.passed for event in result.asset_events] == [False], result
print(*{"mlflow", "sqlalchemy.orm.session", "requests"} & set(sys.modules))
"""


@pytest.fixture
def port(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of the MLflow server of the home, started as `mlp up` starts it."""
    ports = platform_ports()
    for name, number in ports.by_variable().items():
        monkeypatch.setenv(name, str(number))
    empty_store(home / "mlflow")
    supervisor = Supervisor()
    supervisor.start([each for each in services(ports, ROOT / "workspace.yaml") if each.name == "mlflow"])
    yield ports.mlflow
    supervisor.stop()


def test_the_server_answers_as_the_store_does(
    port: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MlflowRegistry(home / "mlflow")
    first = registry.register(candidate(tmp_path, "one"))
    client = registry._client()
    for number in range(11):  # more than ten: as texts, 10 would come before 2
        client.create_model_version(first.model, f"runs:/{first.run_id}/model", tags={"number": str(number)})
    client.create_registered_model("retail.repurchase")
    client.create_model_version("retail.repurchase", f"runs:/{first.run_id}/model")
    registry.name_champion("retail.repurchase", "1")  # without a promotion: the sensor reports it

    server = MlflowServer(f"http://127.0.0.1:{port}", page_rows=5)
    for model in ("shop.buys", "retail.repurchase", "shop.unknown"):
        assert server.versions(model) == registry.versions(model)
        assert server.version_by_alias(model, "champion") == registry.champion(model)
    assert [version.version for version in server.versions("shop.buys")] == [str(n) for n in range(1, 13)]
    assert server.versions("shop.buys")[0] == first
    assert server.version_by_alias("shop.buys", "champion") is None
    assert server.version_by_alias("retail.repurchase", "champion") is not None

    tick = subprocess.run([sys.executable, "-c", TICK], capture_output=True, text=True, check=True, cwd=ROOT)
    assert tick.stdout == "\n"

    other = tmp_path / "other"
    empty_store(other / "mlflow")
    assert serves(home, port)
    assert not serves(other, port)
    assert LocalEnvironment(other).registry.versions("shop.buys") == []
    assert LocalEnvironment(home).registry.versions("shop.buys") == registry.versions("shop.buys")


class _Counting(BaseHTTPRequestHandler):
    """A server of somebody else, which answers every request with a page."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")


@pytest.fixture
def foreign_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_server_of_somebody_else_is_not_asked(
    foreign_port: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_PORT_MLFLOW", str(foreign_port))
    empty_store(home / "mlflow")
    registry = LocalEnvironment(home).registry
    assert registry.versions("shop.buys") == []
    assert registry.champion("shop.buys") is None
    assert _Counting.requests == 0


def test_what_the_server_does_not_answer_the_store_does(foreign_port: int, home: Path) -> None:
    for port in (foreign_port, *free_ports(1)):
        server = MlflowServer(f"http://127.0.0.1:{port}")
        with pytest.raises(NoAnswerError):
            server.versions("shop.buys")
        registry = MlflowRegistry(empty_store(home / "mlflow"), server=lambda server=server: server)
        assert registry.versions("shop.buys") == []
        assert registry.champion("shop.buys") is None
