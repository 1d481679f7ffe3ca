"""The whole demo and the whole replay, as a user starts them. Only ``make test-all`` runs them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import platform_ports

MLP = str(Path(sys.executable).parent / "mlp")
pytestmark = pytest.mark.long


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    home = tempfile.mkdtemp(prefix="mlp", dir="/tmp")
    ports = {name: str(port) for name, port in platform_ports().by_variable().items()}
    yield os.environ | ports | {"MLP_HOME": home}
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.timeout(900)
def test_the_demo(environment: dict[str, str]) -> None:
    done = subprocess.run([MLP, "demo"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    figures = json.loads(Path(environment["MLP_HOME"], "demo.json").read_text())
    assert len(figures["stages"]) == 8
    assert "live before: version 1   live now: version 2" in done.stdout


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", ["", "GROCERY@2017-08-28"], ids=["no fault", "cents"])
def test_the_replay(environment: dict[str, str], fault: str) -> None:
    done = subprocess.run(
        [MLP, "replay", "--fault", fault], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    summary = json.loads(Path(environment["MLP_HOME"], "replay.json").read_text())
    assert summary["failed"] == 0
    assert all(model["better_than_baselines"] for model in summary["models"].values())
    if fault:
        assert summary["episodes"]["repurchase_health"][0] == "retail.repurchase_health:1:2017-09-11"
        assert summary["versions"]["repurchase_score"] == 2
    else:
        assert summary["alarm_rate"] < 0.07
