"""Trainings in processes of their own: a result is demanded, every failure gives its reason, no process is left."""

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, run_job
from tests.support.job_processes import no_process_left, processes_of, ranks_of, wait_until
from tests.support.training_jobs import (
    classifier,
    diverging,
    half_precision,
    hanging,
    job,
    unservable,
    vanishing,
)

__all__ = ["no_process_left"]
pytestmark = pytest.mark.usefixtures("no_process_left")


def test_two_processes_train_in_half_precision_and_the_artifact_serves_in_that_of_the_weights(tmp_path: Path) -> None:
    compute, lines = mlp.Accelerate(processes=2, mixed_precision="bf16"), list[str]()
    spec = job(tmp_path, half_precision, processes=2, compute=compute.options)
    result = run_job(LocalRunner(tmp_path), spec, lines.append)
    logged = {name: value for _, name, value in result.history}
    assert (logged["ranks"], logged["half"]) == (3.0, 1.0)
    (line,) = lines
    assert line.startswith("step 1: ranks 3, half 1, a ")
    scorer = load_scorer(result.folder, result.digest)
    assert scorer.encoding.inputs == ("a", "b")
    assert scorer.predict(np.full((3, 2), 0.123)) == pytest.approx(
        0.123 * (logged["a"] + logged["b"]) + logged["c"], abs=1e-6
    )
    assert min(result.peak_memory_bytes, result.cpu_seconds, result.seconds) > 0
    assert processes_of(tmp_path) == []


def test_a_lightgbm_classifier_serves_probabilities_and_the_log_notes_what_this_machine_does_not_give(
    tmp_path: Path,
) -> None:
    wants = {"image": "shop:1", "memory_bytes": psutil.virtual_memory().total + 10**9, "cpus": 1000.0}
    lines: list[str] = []
    scorer = load_scorer(run_job(LocalRunner(tmp_path), job(tmp_path, classifier, **wants), lines.append).folder)
    low, high = scorer.predict(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert 0.0 < low < 0.5 < high < 1.0
    assert [line.split(":")[0] for line in lines] == ["note"] * 3
    for fragment, line in zip(("image='shop:1' is ignored", "GB of memory", "1000 CPUs"), lines, strict=True):
        assert fragment in line


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (diverging, "rank 0: loss is nan at step 7: the training diverged"),
        (unservable, "cannot be served without unpickling. Return a torch.nn.Module, a fitted LightGBM"),
        (vanishing, "exited with status 0 but left no result"),
    ],
)
def test_a_training_without_a_model_gives_the_reason(tmp_path: Path, function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(TrainingFailedError) as raised:
        run_job(LocalRunner(tmp_path), job(tmp_path, function))
    assert reason in str(raised.value)


def test_a_killed_rank_ends_the_others(tmp_path: Path) -> None:
    def kill_one() -> None:
        wait_until(lambda: len(ranks_of(tmp_path)) == 2)
        time.sleep(0.5)
        ranks_of(tmp_path)[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(TrainingFailedError, match=r"rank \d was ended by SIGKILL"):
        run_job(LocalRunner(tmp_path), job(tmp_path, hanging, processes=2))
    killer.join()
    assert processes_of(tmp_path) == []


def test_a_killed_supervisor_ends_its_training(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path)
    handle = runner.submit(job(tmp_path, hanging))
    wait_until(lambda: len(ranks_of(tmp_path)) == 1)
    (supervisor,) = [each for each in processes_of(tmp_path) if each not in ranks_of(tmp_path)]
    supervisor.kill()
    wait_until(lambda: processes_of(tmp_path) == [])
    status = runner.poll(handle)
    assert status.state == "failed"
    assert "was ended with its supervisor" in status.reason


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background makes them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    def interrupt() -> None:
        wait_until(lambda: len(ranks_of(tmp_path)) == 1)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run_job(LocalRunner(tmp_path), job(tmp_path, hanging))
    interrupter.join()
    assert processes_of(tmp_path) == []


def test_a_function_of_a_folder_that_is_on_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "elsewhere_of_training"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "learning.py").write_text(
        "from tests.support.training_jobs import Constant\n\n\n"
        "def learn(run):\n"
        "    return Constant(float(run.train.y.mean()))\n"
    )
    with monkeypatch.context() as path:
        path.syspath_prepend(str(tmp_path))
        learning = importlib.import_module("elsewhere_of_training.learning")
    result = run_job(LocalRunner(tmp_path / "runs"), job(tmp_path, learning.learn))
    assert load_scorer(result.folder, result.digest).encoding.inputs == ("a", "b")
