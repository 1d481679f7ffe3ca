"""A training that is killed anywhere, and run again, ends as the one that was never killed: to the last bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
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
from mlp_resources.ports.training import TrainingFailedError, TrainingJob, TrainingResult

LONG = bool(os.environ.get("MLP_LONG"))
EPOCHS, BATCH = 3, 32
RUN = """
import sys
from pathlib import Path
from mlp_resources.compute.local_training import LocalRunner
from tests.training.test_resume import job
LocalRunner(Path(sys.argv[1])).run(job(Path(sys.argv[2]), same="kept"))
"""


def train(run: mlp.TrainingRun) -> object:
    """Draws random numbers of every kind, so that a state that is left out shows."""
    import torch
    from torch import nn

    torch.manual_seed(run.seed + run.rank)
    np.random.seed(run.rank)
    random.seed(run.rank)
    accelerator = run.accelerator()
    network = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.3), nn.SiLU(), nn.Linear(16, 1), nn.Flatten(0))
    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(network.parameters(), lr=0.01))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    loader, best = run.loader(BATCH), run.best(network)
    saved = run.checkpoints(every=7, model=network, optimizer=optimizer, schedule=schedule, loader=loader, best=best)
    begun = saved.done
    for batches in loader.epochs(EPOCHS):
        for x, y in batches:
            noise = torch.randn_like(y) + float(np.random.normal()) + random.random()
            loss = ((model(x) - y - 0.01 * noise) ** 2).mean()
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            saved.step()
            time.sleep(run.params["pause"])
        with torch.no_grad():
            network.eval()
            score = (
                ((network(torch.from_numpy(run.validation.x)) - torch.from_numpy(run.validation.y)) ** 2).mean().item()
            )
            network.train()
        best.offer(score)
        run.log(saved.done, loss=score, begun=begun)
    best.restore()
    return network


def job(folder: Path, same: str = "", processes: int = 2, pause: float = 0.01) -> TrainingJob:
    table = folder / "table"
    if not table.exists():
        draw = np.random.default_rng(0)
        x = draw.normal(size=(3000, 2))
        rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] - 2 * x[:, 1]})
        split = pl.when(pl.int_range(pl.len()) < 2500).then(pl.lit("train")).otherwise(pl.lit("validation"))
        rows.with_columns(split=split).write_delta(str(table))
    path = f"{train.__module__}:{train.__qualname__}"
    return TrainingJob(
        "kept", path, str(table), DeltaTable(table).version(), ("a", "b"), "y", "regression", processes, 3,
        {"pause": pause}, same,
    )  # fmt: skip


def weights(result: TrainingResult) -> bytes:
    return (result.artifact / "model.onnx").read_bytes()


def begun(result: TrainingResult) -> list[float]:
    return [value for _, name, value in result.history if name == "begun"]


def ranks(folder: Path) -> list[psutil.Process]:
    found = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]
    return [
        p
        for p in found
        if "mlp_assets.training.main" in p.info["cmdline"] and "torch.distributed.run" not in p.info["cmdline"]
    ]


def wait_for_checkpoint(runs: Path, after: str, process: "subprocess.Popen[bytes]") -> str:
    """The newest whole checkpoint, once it is another one than before."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = sorted(path.parent.name for path in runs.glob("checkpoints/kept-kept/*/manifest.json"))
        if found and found[-1] > after:
            return found[-1]
        time.sleep(0.01)
    return after


def test_killed_anywhere_and_run_again_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = LocalRunner(tmp_path / "whole").run(job(tmp_path))
    assert begun(whole) == [0.0] * EPOCHS
    runs, chance, newest = tmp_path / "runs", random.Random(5), ""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    for number in range(12 if LONG else 2):
        with subprocess.Popen([sys.executable, "-c", RUN, str(runs), str(tmp_path)], env=environment) as process:
            newest = wait_for_checkpoint(runs, newest, process)
            time.sleep(chance.uniform(0, 0.3))
            if number % 2:  # a rank, and the others end with it
                (ranks(runs) or [psutil.Process(process.pid)])[0].send_signal(signal.SIGKILL)
                process.wait(30)
            else:
                everything = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
                for each in everything:
                    each.kill()
        whole_ones = sorted(runs.glob("checkpoints/kept-kept/*/manifest.json"))
        if number == 0 and len(whole_ones) > 1:  # one that was damaged, beside those that the killing left torn
            state = whole_ones[-1].parent / "state.pt"
            state.write_bytes(state.read_bytes()[:-9])
    resumed = LocalRunner(runs).run(job(tmp_path, same="kept"))
    assert weights(resumed) == weights(whole)
    assert begun(resumed)[-1] > 0
    assert [(step, name) for step, name, _ in resumed.history] == [(step, name) for step, name, _ in whole.history]
    losses = [[value for _, name, value in each.history if name == "loss"] for each in (resumed, whole)]
    assert losses[0] == losses[1]
    assert not (runs / "checkpoints" / "kept-kept").exists()


def test_it_goes_on_with_another_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", RUN, str(runs), str(tmp_path)], env=environment) as process:
        assert wait_for_checkpoint(runs, "", process)
        for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            each.kill()
    (newest, *_) = sorted(runs.glob("checkpoints/kept-kept/*/manifest.json"), reverse=True)
    done = json.loads(newest.read_text())["step"]
    one = LocalRunner(runs).run(job(tmp_path, same="kept", processes=1))
    assert begun(one)[-1] == done
    steps = [step for step, name, _ in one.history if name == "loss"]
    rest = 2500 - 2 * BATCH * done if done < len_of(2) else 0
    assert steps[0] == done + -(-rest // BATCH)
    assert load_scorer(one.artifact).predict(np.array([[1.0, 0.0]]))[0] == pytest.approx(1.0, abs=0.4)


def len_of(processes: int) -> int:
    return -(-(2500 // processes) // BATCH)


def stuck(run: mlp.TrainingRun) -> object:
    for number, _ in enumerate(run.loader(10)):
        if run.rank == 1 and number == 3:
            time.sleep(600)
    time.sleep(600)
    return None


def test_a_rank_that_stands_still_is_named(tmp_path: Path) -> None:
    made: dict[str, Any] = vars(job(tmp_path)) | {"function": f"{__name__}:stuck", "patience_seconds": 3.0}
    with pytest.raises(
        TrainingFailedError, match=r"rank 1 has stood still for 3 s, after step 4; the others are at 125"
    ):
        LocalRunner(tmp_path / "runs").run(TrainingJob(**made))
    assert ranks(tmp_path) == []


def test_what_is_not_here_is_said(tmp_path: Path) -> None:
    made = vars(job(tmp_path))
    with pytest.raises(TrainingFailedError, match="asks for 2 machines, and here is one"):
        LocalRunner(tmp_path / "runs").run(TrainingJob(**(made | {"machines": 2})))
    with pytest.raises(TrainingFailedError, match=r"asks for 64 GPUs, and here are \d+\. Write gpus="):
        LocalRunner(tmp_path / "runs").run(TrainingJob(**(made | {"gpus": 64})))
