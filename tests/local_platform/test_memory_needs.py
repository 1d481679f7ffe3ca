"""Commands say what memory they need and what there is; the number of runs at a time follows from it."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from mlp_assets.errors import MlpError
from mlp_assets.local_platform.memory_needs import DEMO, describe_memory
from mlp_resources.compute.memory import GB, Memory, runs_at_once, trials_at_once
from mlp_resources.environments.home import prepare_home, set_concurrent_runs
from tests.support.limited_memory import run_limited

EARLIER = "# Written once by the platform; yours to change.\n"


@pytest.mark.parametrize(
    ("memory", "line"),
    [
        (
            Memory(16 * GB, 9 * GB, "machine"),
            "Memory: `mlp demo` needs 4.0 GB; 9.0 GB of the 16.0 GB of this machine is free.",
        ),
        (
            Memory(16 * GB, 3 * GB, "machine"),
            "Memory: `mlp demo` needs 4.0 GB; 3.0 GB of the 16.0 GB of this machine is free. "
            "The kernel may kill processes. End other programs until 4.0 GB is free.",
        ),
        (
            Memory(3 * GB, 3 * GB, "container"),
            "Memory: `mlp demo` needs 4.0 GB; 3.0 GB of the 3.0 GB of this container is free. "
            "The kernel may kill processes. Give the container 4.0 GB or more.",
        ),
    ],
    ids=["enough", "a full machine", "a small container"],
)
def test_one_line_with_the_remedy(memory: Memory, line: str) -> None:
    assert describe_memory("mlp demo", DEMO, memory) == line


def test_a_hopeless_container_is_refused() -> None:
    refused = "`mlp demo` needs 4.0 GB of memory, and this container has 2.0 GB. Give the container 4.0 GB or more."
    with pytest.raises(MlpError, match=refused):
        describe_memory("mlp demo", DEMO, Memory(2 * GB, 2 * GB, "container"))


def test_concurrency_follows_from_memory() -> None:
    small, large = Memory(int(4.5 * GB), 4 * GB, "container"), Memory(16 * GB, 9 * GB, "machine")
    assert (runs_at_once(small), runs_at_once(large)) == (1, 2)
    assert (trials_at_once(4, small), trials_at_once(4, large), trials_at_once(0, large)) == (1, 4, 1)
    assert trials_at_once(4, Memory(16 * GB, GB, "machine")) == 1


def test_the_number_of_runs_is_set_until_the_user_changes_the_file(home: Path) -> None:
    file = prepare_home() / "dagster" / "dagster.yaml"

    def runs() -> int:
        return yaml.safe_load(file.read_text())["concurrency"]["runs"]["max_concurrent_runs"]

    assert runs() == 2
    written = file.stat().st_mtime_ns
    assert set_concurrent_runs(2)
    assert file.stat().st_mtime_ns == written
    assert set_concurrent_runs(1)
    assert runs() == 1
    file.write_text(EARLIER + file.read_text().partition("\n")[2])  # as an earlier version wrote it
    assert set_concurrent_runs(2)
    assert runs() == 2
    file.write_text(file.read_text().replace("poll_interval_seconds: 30", "poll_interval_seconds: 20"))
    changed = file.read_text()
    assert not set_concurrent_runs(1)
    assert file.read_text() == changed


def test_the_doctor_tells_the_containers_memory(home: Path) -> None:
    code = "import sys; from mlp_assets.cli import main; sys.argv = ['mlp', 'doctor']; main.main()"
    run = run_limited([sys.executable, "-c", code], 2 * GB, os.environ | {"COLUMNS": "400"})
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group")
    (row,) = [line for line in run.output.splitlines() if "this container" in line]
    assert "GB of the 2.0 GB of this container free; the platform needs 1.5 GB, `mlp demo` 4.0 GB" in row
    assert "For `mlp demo`: Give the container 4.0 GB or more." in row
