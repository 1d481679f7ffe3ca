"""`mlp up` for real: all services, a second start, the doctor, Ctrl-C, `mlp down`, and no process left."""

import json
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from mlp_assets.local_http import local_client
from mlp_assets.local_platform.health import ask
from mlp_assets.local_platform.services import probes
from tests.support.browser import rendered
from tests.support.installed import Installed, flat, installed, run_status

__all__ = ["installed"]  # a fixture
pytestmark = pytest.mark.timeout(900)


def _with_a_broken_location(home: Path) -> Path:
    (home / "broken.py").write_text("raise ValueError('no such table')")
    retail, broken = (
        {"python_module": {"module_name": "mlp_assets.definitions", "location_name": "retail"}},
        {"python_file": {"relative_path": str(home / "broken.py"), "location_name": "broken"}},
    )
    workspace = home / "workspace.yaml"
    workspace.write_text(json.dumps({"load_from": [retail, broken]}))
    return workspace


def test_it_starts_and_stops_and_a_new_start_keeps_its_state(installed: Installed) -> None:
    process = installed.up()
    _check_that_it_works(installed, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=40) == 0
    assert installed.left() == []
    runs = (installed.home / "dagster" / "dagster.yaml").stat().st_mtime

    process = installed.up("-w", str(_with_a_broken_location(installed.home)))
    assert (installed.home / "dagster" / "dagster.yaml").stat().st_mtime == runs
    _check_that_the_broken_location_is_named(installed)
    assert "Stopped." in installed.run("down").stdout
    assert process.wait(timeout=40) is not None
    assert installed.left() == []
    assert "Nothing is running." in installed.run("down").stdout


def _check_that_it_works(installed: Installed, process: "subprocess.Popen[bytes]") -> None:
    """It listens on this machine only, the web UI shows the project, a run succeeds, and a second start is refused."""
    with local_client(timeout=10) as client:
        for probe in probes(installed.ports, installed.home).values():
            assert ask(client, probe).healthy
        assert client.get(probes(installed.ports, installed.home)["ray"].url).status_code == 401  # without the token
    tree = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
    listening = [c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in tree]
    assert len(listening) > 5
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}

    page = rendered(f"http://127.0.0.1:{installed.ports.dagster}/locations/retail/asset-groups/retail")
    assert all(name in page for name in ("purchases", "household_habits", "repurchase_score"))
    assert run_status(installed, "retail__weekly", {"dagster/partition": "2017-01-02"}) == "SUCCESS"
    assert (installed.home / "lake" / "retail" / "features" / "household_habits" / "_delta_log").is_dir()

    second = installed.run("up")
    assert second.returncode == 1
    assert f"The platform is up already (process {process.pid}). Stop it with `mlp down`." in flat(second.stdout)
    doctor = installed.run("doctor")
    assert f"up (process {process.pid})" in flat(doctor.stdout)
    assert doctor.returncode == 0, doctor.stdout


def _check_that_the_broken_location_is_named(installed: Installed) -> None:
    deadline = time.monotonic() + 10
    while "did not load" not in installed.printed() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "The code location broken did not load" in installed.printed()
    assert "no such table" in installed.printed()
    doctor = installed.run("doctor")
    assert (doctor.returncode, "code location broken" in doctor.stdout) == (1, True), doctor.stdout
