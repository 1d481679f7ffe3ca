"""The chart, installed for real: a project from its first table to batch scores, and what may reach and do what."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.chart import CHART, NEEDED, Chart, missing
from tests.support.cluster import Cluster, wait_for

ADMIN = os.environ.get("KUBECONFIG", "")
RANGE = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-04-22"}
UP_TO_CHAMPION = ["online/spending_online", "training_set/history", "candidate/comes_again_candidate",
                  "champion/comes_again_champion", "endpoint/score"]  # fmt: skip
RIGHTS = {
    "mlp-dagster": {"jobs.batch [create get list delete]", "jobs.batch/status [get]", "pods [get list delete]",
                    "pods/log [get]", "events [list]"},
    "mlp-runs": {"jobs.batch [create get delete]", "services [create delete]", "pods [list]", "events [list]"},
}  # fmt: skip
REACH = """
import contextlib, socket, time
places, reached, begun = {places!r}, set(), time.monotonic()
while time.monotonic() < begun + 15:  # a new pod is let through when the policies have heard of it
    for host, port in set(places) - reached:
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), timeout=2).close()
            reached.add((host, port))
print(*[port for host, port in places if (host, port) in reached])
"""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def chart(cluster: Cluster, tmp_path: Path) -> Iterator[Chart]:
    lacking = missing()
    if lacking:
        pytest.skip(f"The chart's tests need {', '.join(NEEDED)}, helm and kubectl; not there: {', '.join(lacking)}")
    made = Chart(cluster, ADMIN)
    try:
        made.install(tmp_path)
        yield made
    finally:
        made.remove()


def test_a_project_goes_from_its_first_table_to_batch_scores(chart: Chart) -> None:
    with chart.forwarded("mlp-dagster", 3000) as dagster:
        tables = ["source/purchases", "source/outcomes", "features/spending"]
        chart.finish(dagster, chart.launch(dagster, tables, RANGE))

        run = chart.launch(dagster, UP_TO_CHAMPION, {})
        wait_for(chart.trains, "no training begins", 180)
        assert chart.kill_run(run)
        chart.finish(dagster, run)
        assert chart.trainings_begun() == 1  # the next run found the training of the one that was killed
        assert chart.materializations(dagster, "candidate/comes_again_candidate") == 1
        assert chart.materializations(dagster, "endpoint/score") == 0  # nothing serves it, which is no error

        scores = chart.launch(dagster, ["batch_score/weekly"], {"dagster/partition": "2024-04-22"})
        chart.finish(dagster, scores)

        again = chart.launch(dagster, ["candidate/comes_again_candidate"], {})
        wait_for(chart.trains, "no training begins", 180)
        chart.cancel(dagster, again)  # other than a run whose pod is taken away, it ends its training
        wait_for(lambda: not chart.trains(), "the training of a cancelled run goes on", 90)
        wait_for(lambda: chart.status(dagster, again) == "CANCELED", "the run is not cancelled", 60)
    with chart.forwarded("mlp-mlflow", 5000) as mlflow:
        query = {"filter": "name='shop.comes_again'"}
        found = httpx.get(f"{mlflow}/api/2.0/mlflow/model-versions/search", params=query, timeout=60).json()
        assert [version["version"] for version in found["model_versions"]] == ["1"]
    _is_shut_to_others(chart)
    _may_do_what_it_must(chart)


def _is_shut_to_others(chart: Chart) -> None:
    """A pod of the namespace that is none of ours reaches nothing; the same pod as a run reaches MLflow alone."""
    ports = {"dagster": 3000, "mlflow": 5000, "shop": 4000}
    program = REACH.format(places=[(f"mlp-{name}.{chart.namespace}", port) for name, port in ports.items()])
    assert chart.python(program, {}) == [""]
    assert chart.python(program, {"mlp/component": "run"}) == ["5000"]


def _may_do_what_it_must(chart: Chart) -> None:
    for account, rights in RIGHTS.items():
        assert chart.rights(account) - chart.rights("default") == rights


@pytest.mark.skipif(  # CI has it; a user's machine without a cluster may do without, as the chart is for clusters
    shutil.which("helm") is None, reason="the chart is checked by helm, which is not there"
)
def test_wrong_values_are_refused_by_name(tmp_path: Path) -> None:
    wrong = {
        "lake": "/folder", "database": "postgresql://user:hunter2@host/x", "locations": [], "locaions": [],
        "mlflow": {"artefacts": "s3://x"}, "settings": {"HOME": "/"},
    }  # fmt: skip
    (tmp_path / "values.json").write_text(json.dumps(wrong))
    command = ["helm", "template", "mlp", str(CHART), "-f", str(tmp_path / "values.json")]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    for name in ("/lake", "/database", "/locations", "'locaions'", "'artefacts'", "/secret", "'HOME'"):
        assert name in told
