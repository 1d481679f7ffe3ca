"""A training that is killed anywhere and run again ends like one that was never killed, to the last bit."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, run_job
from tests.support import training_jobs
from tests.support.job_processes import StartPython, no_process_left, processes_of, ranks_of, start_python
from tests.support.resumable_training import BATCH, EPOCHS, begun, job

__all__ = ["no_process_left", "start_python"]
pytestmark = pytest.mark.usefixtures("no_process_left")
LONG = bool(os.environ.get("MLP_LONG"))
RUN = """
import sys
from pathlib import Path
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import run_job
from tests.support.resumable_training import job
run_job(LocalRunner(Path(sys.argv[1])), job(Path(sys.argv[2]), resume_key="kept", pause=0.05))
"""


def wait_for_checkpoint(runs: Path, after: str, process: "subprocess.Popen[bytes]") -> str:
    """The newest complete checkpoint, once it is another one than ``after``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        complete = sorted(path.parent.name for path in runs.glob("checkpoints/kept-kept/*/manifest.json"))
        if complete and complete[-1] > after:
            return complete[-1]
        time.sleep(0.01)
    return after


def kill_all(runs: Path) -> None:
    """Kills who waits for the job, its supervisor, launcher and ranks."""
    while members := processes_of(runs):
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_a_killed_training_resumes_to_the_same_weights_and_also_with_another_number_of_processes(
    tmp_path: Path, start_python: StartPython
) -> None:
    whole = run_job(LocalRunner(tmp_path / "whole"), job(tmp_path))
    assert begun(whole) == [0.0] * EPOCHS
    runs, chance, newest = tmp_path / "runs", random.Random(5), ""
    for number in range(12 if LONG else 1):
        process = start_python(RUN, runs, tmp_path)
        newest = wait_for_checkpoint(runs, newest, process)
        if number == 0:
            newest = wait_for_checkpoint(runs, newest, process)
        time.sleep(chance.uniform(0, 0.3))
        if number % 2 and (ranks := ranks_of(runs)):  # the others end with the killed one
            ranks[0].send_signal(signal.SIGKILL)
            process.wait(60)
        else:
            kill_all(runs)
        manifests = sorted(runs.glob("checkpoints/kept-kept/*/manifest.json"))
        if number == 0:  # a damaged one, beside those that the killing left incomplete
            assert len(manifests) > 1
            state = manifests[-1].parent / "state.pt"
            state.write_bytes(state.read_bytes()[:-9])
    shutil.copytree(runs / "checkpoints", tmp_path / "alone" / "checkpoints")
    resumed = run_job(LocalRunner(runs), job(tmp_path, resume_key="kept"))
    assert resumed.digest == whole.digest
    assert begun(resumed)[-1] > 0
    assert [(step, name) for step, name, _ in resumed.history] == [(step, name) for step, name, _ in whole.history]
    losses = [[value for _, name, value in each.history if name == "loss"] for each in (resumed, whole)]
    assert losses[0] == losses[1]
    assert not (runs / "checkpoints" / "kept-kept").exists()
    check_that_one_process_resumes(tmp_path / "alone", tmp_path, int(begun(resumed)[-1]))


def check_that_one_process_resumes(runs: Path, folder: Path, done: int) -> None:
    """From a checkpoint of two processes after ``done`` steps: it has the rest of the epoch alone."""
    result = run_job(LocalRunner(runs), job(folder, resume_key="kept", processes=1))
    assert begun(result)[-1] == done
    steps = [step for step, name, _ in result.history if name == "loss"]
    epochs, done_of_epoch = divmod(done - 1, steps_of_an_epoch(2))
    rest = max(0, 2500 - 2 * BATCH * (done_of_epoch + 1))
    assert steps[epochs] == done + -(-rest // BATCH)
    assert load_scorer(result.folder).predict(np.array([[1.0, 0.0]]))[0] == pytest.approx(1.0, abs=0.4)


def steps_of_an_epoch(processes: int) -> int:
    return -(-(2500 // processes) // BATCH)


def test_a_stalled_rank_is_named(tmp_path: Path) -> None:
    spec = training_jobs.job(tmp_path, training_jobs.stuck, processes=2, patience_seconds=2.0)
    with pytest.raises(TrainingFailedError, match=r"rank 1 made no progress for 2 s, after step 4; the others are at"):
        run_job(LocalRunner(tmp_path / "runs"), spec)
    assert processes_of(tmp_path) == []


def test_a_job_that_needs_more_than_this_machine_is_refused(tmp_path: Path) -> None:
    runner, spec = LocalRunner(tmp_path / "runs"), job(tmp_path)
    with pytest.raises(TrainingFailedError, match="asks for 2 machines, and here is one"):
        runner.submit(replace(spec, machines=2))
    with pytest.raises(TrainingFailedError, match=r"asks for 64 GPUs, and here are \d+\. Write gpus="):
        runner.submit(replace(spec, gpus=64))
