"""A job outlives the process that submitted it, is found again by its name, and stays behind for nobody."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, run_job
from tests.support.job_processes import StartPython, no_process_left, processes_of, ranks_of, start_python, wait_until
from tests.support.training_jobs import gated, hanging, job

__all__ = ["no_process_left", "start_python"]
pytestmark = pytest.mark.usefixtures("no_process_left")
WATCHER = """
import sys
from pathlib import Path
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import run_job
from tests.support import training_jobs
folder, function, orphan_seconds = Path(sys.argv[1]), getattr(training_jobs, sys.argv[2]), float(sys.argv[3])
runner = LocalRunner(folder / "runs", orphan_seconds=orphan_seconds)
run_job(runner, training_jobs.job(folder, function, resume_key="key"))
"""


def test_a_killed_step_is_run_again_and_takes_the_result_of_its_job(tmp_path: Path, start_python: StartPython) -> None:
    runner, spec = LocalRunner(tmp_path / "runs"), job(tmp_path, gated, resume_key="key")
    watcher = start_python(WATCHER, tmp_path, "gated", 60)
    wait_until(lambda: len(ranks_of(tmp_path)) == 1)
    (rank,) = ranks_of(tmp_path)
    watcher.kill()
    watcher.wait()
    handle = runner.submit(spec)
    assert handle.name == "sample-key"
    assert runner.submit(spec) == handle
    wait_until(lambda: runner.poll(handle).state == "running")
    (tmp_path / "go").touch()
    lines: list[str] = []
    result = run_job(runner, spec, lines.append)
    assert lines == ["step 1: loss 0.5", "step 2: loss 0.25"]
    assert [value for _, _, value in result.history] == [0.5, 0.25]
    assert result.folder == tmp_path / "runs" / "sample-key.1" / "artifact"
    assert not rank.is_running()
    assert runner.submit(spec).address != handle.address  # the result is taken, so this is another training


def test_a_result_that_nobody_took_is_found(tmp_path: Path, start_python: StartPython) -> None:
    (tmp_path / "go").touch()
    watcher = start_python(WATCHER, tmp_path, "gated", 60)
    wait_until(lambda: len(ranks_of(tmp_path)) == 1)
    watcher.kill()
    watcher.wait()
    wait_until(lambda: processes_of(tmp_path / "runs") == [])
    result = run_job(LocalRunner(tmp_path / "runs"), job(tmp_path, hanging, resume_key="key"))
    assert result.folder.parent.name == "sample-key.1"


def test_a_result_is_given_again_to_the_run_that_took_it(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    runner, spec = LocalRunner(tmp_path / "runs"), replace(job(tmp_path, gated, resume_key="key"), asked_by="a run")
    first = run_job(runner, spec)
    again = run_job(LocalRunner(tmp_path / "runs"), spec)  # its retry, after it was killed with the result
    assert (again.folder, again.history) == (first.folder, first.history)
    assert run_job(runner, replace(spec, asked_by="another run")).folder != first.folder


def test_a_training_that_nobody_waits_for_ends(tmp_path: Path, start_python: StartPython) -> None:
    watcher = start_python(WATCHER, tmp_path, "hanging", 1)
    wait_until(lambda: len(ranks_of(tmp_path)) == 1)
    time.sleep(1.5)
    assert len(ranks_of(tmp_path)) == 1
    watcher.kill()
    watcher.wait()
    wait_until(lambda: processes_of(tmp_path) == [], 15)
    (tmp_path / "go").touch()
    assert run_job(LocalRunner(tmp_path / "runs"), job(tmp_path, gated, resume_key="key")).folder.parts[-2][-2:] == ".2"


def test_a_job_that_is_cancelled_ends_for_everybody(tmp_path: Path) -> None:
    runner, spec = LocalRunner(tmp_path / "runs"), job(tmp_path, hanging, resume_key="key")
    handle = runner.submit(spec)
    wait_until(lambda: len(ranks_of(tmp_path)) == 1)
    runner.cancel(handle)
    assert processes_of(tmp_path) == []
    assert runner.poll(handle).state == "cancelled"
    runner.cancel(handle)
    other = runner.submit(spec)
    assert other.address != handle.address
    canceller = threading.Thread(target=lambda: (time.sleep(1), runner.cancel(other)))
    canceller.start()
    with pytest.raises(TrainingFailedError, match="was cancelled"):
        run_job(runner, spec)
    canceller.join()
