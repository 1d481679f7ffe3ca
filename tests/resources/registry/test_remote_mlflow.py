"""The registry on a server of another machine: a real MLflow server, which keeps the artifacts as well."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlp_resources.environments.settings import Settings
from mlp_resources.environments.variables import process_variables
from mlp_resources.registry.mlflow import MlflowRegistry
from mlp_resources.registry.mlflow_server import MlflowServer
from tests.support.candidate import candidate
from tests.support.cluster import wait_for
from tests.support.ports import free_ports
from tests.support.processes import end_tree

COMMAND = ["-m", "mlp_resources.registry.mlflow_process", "--host", "127.0.0.1", "--workers", "1"]


@pytest.fixture
def address(home: Path, tmp_path: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    places = ["--backend-store-uri", f"sqlite:///{tmp_path}/far.db", "--artifacts-destination", str(tmp_path / "far")]
    command = [sys.executable, *COMMAND, "--port", str(port), *places]
    with subprocess.Popen(command, env=process_variables(Settings(home=home)), cwd=tmp_path) as server:
        try:
            wait_for(lambda: _is_up(address), "MLflow", 120)
            yield address
        finally:
            end_tree(server)


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_versions_and_artifacts_lie_on_the_server(address: str, home: Path, tmp_path: Path) -> None:
    def registry(machine: str) -> MlflowRegistry:
        return MlflowRegistry(home / machine, address, "https://models", server=lambda: MlflowServer(address))

    one, other = registry("one"), registry("other")
    trained = candidate(tmp_path, "first")
    version = one.register(trained)
    one.name_champion(version.model, version.version)
    assert other.register(trained) == version  # the same candidate is one version
    assert other.champion(version.model) == version
    assert other.models() == [version.model]
    assert other.url(version) == f"https://models/#/models/{version.model}/versions/1"
    assert other.document(version, "model-card.md") == "# card"
    downloaded = other.download(version)
    assert downloaded.is_relative_to(home / "other")
    files = {file.relative_to(downloaded) for file in downloaded.rglob("*") if file.is_file()}
    stored = tmp_path / "far"
    kept = {file.name for file in stored.rglob("*") if file.is_file()}
    assert files
    assert {file.name for file in files} <= kept
    assert not (home / "one" / "artifacts").exists()
