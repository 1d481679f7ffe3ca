"""A training that the kernel kills because memory ran out is named as that, with the remedy."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.job_processes import no_process_left
from tests.support.limited_memory import LimitedRun, run_limited

__all__ = ["no_process_left"]
pytestmark = pytest.mark.usefixtures("no_process_left")
TRAIN = """
import sys
from pathlib import Path
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, run_job
from tests.support import training_jobs
folder, processes, function = Path(sys.argv[1]), int(sys.argv[2]), getattr(training_jobs, sys.argv[3])
try:
    run_job(LocalRunner(folder / "runs"), training_jobs.job(folder, function, processes=processes))
except TrainingFailedError as error:
    print("reason:", error)
"""


def train(folder: Path, processes: int, function: str, limit_bytes: int) -> LimitedRun:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])}
    run = run_limited([sys.executable, "-c", TRAIN, str(folder), str(processes), function], limit_bytes, environment)
    if run.enforced_by != "cgroup":
        pytest.skip("this process may not make a control group, so the kernel kills nothing")
    return run


@pytest.mark.parametrize(
    ("processes", "gigabytes", "victim"),
    [(1, 1.0, "Training sample was"), (2, 2.0, "Rank 1 of training sample was")],
    ids=["one process", "a rank"],
)
def test_a_training_that_was_killed_for_memory_says_so(
    tmp_path: Path, processes: int, gigabytes: float, victim: str
) -> None:
    run = train(tmp_path, processes, "hungry", int(gigabytes * 1024**3))
    (reason,) = [line for line in run.output.splitlines() if line.startswith("reason: ")]
    assert reason.startswith(f"reason: {victim} killed by the kernel because memory ran out: ")
    assert f"GB of the {gigabytes} GB of this container. Give it more memory" in reason
    assert "a smaller batch size" in reason


def test_a_training_that_fails_otherwise_is_not_said_to_lack_memory(tmp_path: Path) -> None:
    run = train(tmp_path, 1, "diverging", 1024**3)
    assert "the training diverged" in run.output
    assert "memory" not in run.output


def test_the_kernel_is_offered_trainings_first(tmp_path: Path) -> None:
    run = train(tmp_path, 1, "offered", 1024**3)
    assert "rank 0: oom_score_adj 500" in run.output
