"""Training in processes of its own: a result is demanded, and every way to fail is told."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
from deltalake import DeltaTable

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, TrainingJob


def linear(run: mlp.TrainingRun) -> object:
    import torch

    accelerator = run.accelerator()
    torch.manual_seed(run.seed)
    model = accelerator.prepare(torch.nn.Linear(2, 1))
    total = accelerator.reduce(torch.tensor(float(run.rank + 1)))
    run.log(1, ranks=float(total))
    return accelerator.unwrap_model(model)


def diverging(run: mlp.TrainingRun) -> object:
    run.log(7, loss=float("nan"))
    return None


def unservable(run: mlp.TrainingRun) -> object:
    return {"weights": 1}


def vanishing(run: mlp.TrainingRun) -> object:
    os._exit(0)


def classifier(run: mlp.TrainingRun) -> object:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(run.train.x, run.train.y > 1)


def never_fitted(run: mlp.TrainingRun) -> object:
    import lightgbm

    return lightgbm.LGBMClassifier()


def hanging(run: mlp.TrainingRun) -> object:
    time.sleep(300)
    return None


def job(folder: Path, function: Callable[..., Any], processes: int = 1, **more: Any) -> TrainingJob:
    """A training on a table in the folder: fifty rows, which are those to validate on, too."""
    rows = pl.DataFrame({"a": np.linspace(0, 1, 50), "b": np.ones(50), "y": np.linspace(0, 2, 50)})
    parts = [rows.with_columns(split=pl.lit(part)) for part in ("train", "validation")]
    pl.concat(parts).write_delta(str(folder / "table"), mode="overwrite")
    path = f"{function.__module__}:{function.__qualname__}"
    version = DeltaTable(folder / "table").version()
    return TrainingJob(
        "sample", path, str(folder / "table"), version, ("a", "b"), "y", "regression", processes, 0, **more
    )


def test_two_processes_train_and_the_artifact_serves(tmp_path: Path) -> None:
    result = LocalRunner(tmp_path).run(job(tmp_path, linear, processes=2))
    assert result.history == ((1, "ranks", 3.0),)
    scorer = load_scorer(result.artifact, result.digest)
    assert scorer.encoding.inputs == ("a", "b")
    assert scorer.predict(np.ones((3, 2))).shape == (3,)


def test_a_classifier_of_lightgbm_serves_probabilities(tmp_path: Path) -> None:
    scorer = load_scorer(LocalRunner(tmp_path).run(job(tmp_path, classifier)).artifact)
    low, high = scorer.predict(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert 0.0 < low < 0.5 < high < 1.0


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (diverging, "rank 0: loss is nan at step 7: the training diverged"),
        (unservable, "cannot be served without unpickling. Return a torch.nn.Module, a fitted LightGBM"),
        (never_fitted, "train returned a lightgbm.sklearn.LGBMClassifier that is not fitted"),
        (vanishing, "ended without a result, though its exit status was 0"),
    ],
)
def test_a_training_that_gives_no_model_says_why(tmp_path: Path, function: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(TrainingFailedError) as raised:
        LocalRunner(tmp_path).run(job(tmp_path, function))
    assert sentence in str(raised.value)


def trainers(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if str(folder) in " ".join(process.info["cmdline"] or [])]


def test_a_killed_rank_ends_the_others(tmp_path: Path) -> None:
    def kill_one() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            ranks = [p for p in trainers(tmp_path) if "torch.distributed.run" not in " ".join(p.cmdline())]
            if len(ranks) == 2:
                time.sleep(0.5)
                ranks[0].send_signal(signal.SIGKILL)
                return
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(TrainingFailedError, match=r"rank \d was ended by SIGKILL"):
        LocalRunner(tmp_path).run(job(tmp_path, hanging, processes=2))
    killer.join()
    assert trainers(tmp_path) == []


KILLED = """
import sys
from pathlib import Path
from mlp_resources.compute.local_training import LocalRunner
from tests.resources.test_local_training import hanging, job
LocalRunner(Path(sys.argv[1])).run(job(Path(sys.argv[1]), hanging, processes=2))
"""


def test_a_killed_step_leaves_no_trainer(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environment) as step:
        _wait_until(lambda: len(trainers(tmp_path)) >= 4)  # the step, the launcher and two ranks
        step.kill()
    _wait_until(lambda: trainers(tmp_path) == [])


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    timer = threading.Timer(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        LocalRunner(tmp_path).run(job(tmp_path, hanging, processes=2))
    assert trainers(tmp_path) == []


def test_a_function_of_a_folder_that_is_on_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "elsewhere_of_training"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "learning.py").write_text(
        "def tree(run):\n"
        "    import lightgbm\n\n"
        "    return lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(run.train.x, run.train.y)\n"
    )
    with monkeypatch.context() as path:
        path.syspath_prepend(str(tmp_path))
        learning = importlib.import_module("elsewhere_of_training.learning")
    found = LocalRunner(tmp_path / "runs").run(job(tmp_path, learning.tree))
    assert load_scorer(found.artifact, found.digest).encoding.inputs == ("a", "b")
