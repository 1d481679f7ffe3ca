"""A training that is killed anywhere and run again ends like one that was never killed, to the last bit."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, TrainingResult, run_job
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
run_job(LocalRunner(Path(sys.argv[1])), job(Path(sys.argv[2]), resume_key="kept"))
"""


def weights(result: TrainingResult) -> bytes:
    return (result.folder / "model.onnx").read_bytes()


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


def test_a_killed_training_that_runs_again_ends_with_the_same_weights(
    tmp_path: Path, start_python: StartPython
) -> None:
    whole = run_job(LocalRunner(tmp_path / "whole"), job(tmp_path))
    assert begun(whole) == [0.0] * EPOCHS
    runs, chance, newest = tmp_path / "runs", random.Random(5), ""
    for number in range(12 if LONG else 2):
        process = start_python(RUN, runs, tmp_path)
        newest = wait_for_checkpoint(runs, newest, process)
        time.sleep(chance.uniform(0, 0.3))
        if number % 2 and (ranks := ranks_of(runs)):  # the others end with the killed one
            ranks[0].send_signal(signal.SIGKILL)
            process.wait(60)
        else:
            kill_all(runs)
        manifests = sorted(runs.glob("checkpoints/kept-kept/*/manifest.json"))
        if number == 0 and len(manifests) > 1:  # a damaged one, beside those that the killing left incomplete
            state = manifests[-1].parent / "state.pt"
            state.write_bytes(state.read_bytes()[:-9])
    resumed = run_job(LocalRunner(runs), job(tmp_path, resume_key="kept"))
    assert weights(resumed) == weights(whole)
    assert begun(resumed)[-1] > 0
    assert [(step, name) for step, name, _ in resumed.history] == [(step, name) for step, name, _ in whole.history]
    losses = [[value for _, name, value in each.history if name == "loss"] for each in (resumed, whole)]
    assert losses[0] == losses[1]
    assert not (runs / "checkpoints" / "kept-kept").exists()


def test_a_training_resumes_with_another_number_of_processes(tmp_path: Path, start_python: StartPython) -> None:
    runs = tmp_path / "runs"
    assert wait_for_checkpoint(runs, "", start_python(RUN, runs, tmp_path))
    kill_all(runs)
    (newest, *_) = sorted(runs.glob("checkpoints/kept-kept/*/manifest.json"), reverse=True)
    done = json.loads(newest.read_text())["step"]
    result = run_job(LocalRunner(runs), job(tmp_path, resume_key="kept", processes=1))
    assert begun(result)[-1] == done
    steps = [step for step, name, _ in result.history if name == "loss"]
    rest = 2500 - 2 * BATCH * done if done < steps_of_an_epoch(2) else 0
    assert steps[0] == done + -(-rest // BATCH)
    assert load_scorer(result.folder).predict(np.array([[1.0, 0.0]]))[0] == pytest.approx(1.0, abs=0.4)


def steps_of_an_epoch(processes: int) -> int:
    return -(-(2500 // processes) // BATCH)


def stuck(run: mlp.TrainingRun) -> object:
    for number, _ in enumerate(run.loader(10)):
        if run.rank == 1 and number == 3:
            time.sleep(600)
    time.sleep(600)
    return None


def test_a_stalled_rank_is_named(tmp_path: Path) -> None:
    spec = replace(job(tmp_path), function=f"{__name__}:stuck", patience_seconds=3.0)
    with pytest.raises(TrainingFailedError, match=r"rank 1 made no progress for 3 s, after step 4; the others are at"):
        run_job(LocalRunner(tmp_path / "runs"), spec)
    assert processes_of(tmp_path) == []


def test_a_job_that_needs_more_than_this_machine_is_refused(tmp_path: Path) -> None:
    runner, spec = LocalRunner(tmp_path / "runs"), job(tmp_path)
    with pytest.raises(TrainingFailedError, match="asks for 2 machines, and here is one"):
        runner.submit(replace(spec, machines=2))
    with pytest.raises(TrainingFailedError, match=r"asks for 64 GPUs, and here are \d+\. Write gpus="):
        runner.submit(replace(spec, gpus=64))
