"""A project as `mlp init` makes it, in a platform as `mlp up` starts it: materialized, asked over HTTP, stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from mlp_assets.cli.init import make
from tests.support.browser import rendered
from tests.support.installed import Installed, installed, run_status
from tests.support.platform import weeks

__all__ = ["installed"]
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NOW = datetime.now(UTC)
BODY = {"inputs": [{"name": "customer_id", "datatype": "INT64", "shape": [3], "data": [1001, 1002, 99]}]}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make("shoes", tmp_path, NOW)
    return tmp_path / "workspace.yaml"


def test_it_serves(installed: Installed, workspace: Path) -> None:
    process = installed.up("-w", str(workspace))
    monday = NOW.date() - timedelta(days=NOW.weekday())
    first, last = (f"{monday - timedelta(weeks=back)}" for back in (40, 1))
    assert run_status(installed, "shoes__weekly", weeks(first, last), location="shoes") == "SUCCESS"
    assert run_status(installed, "shoes__train_orders_again", {}, location="shoes") == "SUCCESS"
    url = f"http://127.0.0.1:{installed.ports.serve}/shoes/score/v2/models/score/infer"
    answer = httpx.post(url, json=BODY, timeout=30).json()
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["degraded"] == [False, False, True]
    assert all(0 < prediction < 1 for prediction in outputs["prediction"])
    assert run_status(installed, "shoes__drain_score", {}, location="shoes") == "SUCCESS"
    assert "orders_again_champion" in rendered(f"http://127.0.0.1:{installed.ports.dagster}/asset-groups")
    assert "Stopped." in installed.run("down").stdout
    assert process.wait(timeout=40) is not None
    assert installed.left() == []
