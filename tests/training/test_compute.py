"""mlp.Accelerate is followed: shards, half precision, accumulated gradients; a resumed training ends the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from pyarrow import fs

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, TrainingResult, run_job
from tests.support.job_processes import no_process_left
from tests.support.object_store import object_store

__all__ = ["no_process_left"]
pytestmark = pytest.mark.usefixtures("no_process_left")
EPOCHS, BATCH, ROWS = 4, 16, 320
SHARD = (32 + 16 + 32 + 1) / 129  # of process 0: half of the first layer, and the one row of the last


def network() -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0))


def train(run: mlp.TrainingRun) -> object:
    """Logs the precision, the share of the parameters and the updates that it ran with."""
    import torch

    accelerator = run.accelerator()
    torch.manual_seed(run.seed)
    module = network()
    whole = sum(each.numel() for each in module.parameters())
    half: list[bool] = []
    module[0].register_forward_hook(lambda _module, _given, made: half.append(made.dtype == torch.bfloat16))
    model, optimizer = accelerator.prepare(
        module, torch.optim.AdamW(module.parameters(), lr=run.params.get("rate", 0.02))
    )
    held = sum(getattr(each, "to_local", lambda each=each: each)().numel() for each in model.parameters())
    loader, best, updates = run.loader(BATCH), run.best(model), 0
    saved = run.checkpoints(every=5, model=model, optimizer=optimizer, loader=loader, best=best)
    begun, seen, wanted = saved.done, torch.from_numpy(run.validation.x), torch.from_numpy(run.validation.y)
    for batches in loader.epochs(EPOCHS):
        for x, y in batches:
            with accelerator.accumulate(model):
                loss = ((model(x).float() - y) ** 2).mean()
                accelerator.backward(loss * run.params.get("times", 1.0))
                if "times" in run.params:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            updates += accelerator.sync_gradients
            saved.step()
            if saved.done == run.params.get("dies"):
                raise mlp.MlpError("it fails on purpose")
        with torch.no_grad():
            best.offer(((model(seen).float() - wanted) ** 2).mean().item())
    run.log(saved.done, begun=begun, held=held / whole, half=float(all(half)), updates=updates)
    best.restore()
    if run.params.get("as_is"):
        return model
    if run.params.get("within"):
        return torch.nn.Sequential(model, torch.nn.Identity())
    filled = network()
    filled.load_state_dict(run.whole(accelerator.unwrap_model(model)))
    return filled


def job(folder: Path, compute: mlp.Local | mlp.Accelerate, resume_key: str = "", **params: Any) -> JobSpec:
    table = folder / "table"
    if not table.exists():
        x = np.random.default_rng(0).normal(size=(ROWS * 2, 2))
        rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] - 2 * x[:, 1]}).with_row_index()
        split = pl.when(pl.col("index") < ROWS).then(pl.lit("train")).otherwise(pl.lit("validation"))
        rows.with_columns(split=split).drop("index").write_delta(str(table))
    path = f"{train.__module__}:{train.__qualname__}"
    return JobSpec(
        name="computed", function=path, table=str(table), version=DeltaTable(table).version(), features=("a", "b"),
        target="y", task="regression", processes=compute.processes, seed=3, params=params, resume_key=resume_key,
        compute=compute.options,
    )  # fmt: skip


def facts(result: TrainingResult) -> dict[str, float]:
    return {name: value for _, name, value in result.history}


def error_of(result: TrainingResult) -> float:
    scorer = load_scorer(result.folder, result.digest)
    x = np.random.default_rng(1).normal(size=(500, 2)).astype(np.float32).astype(float)
    return float(np.mean((scorer.predict(x) - (x[:, 0] - 2 * x[:, 1])) ** 2))


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (mlp.Accelerate(mixed_precision="bf16", gradient_accumulation=2), (1.0, 1.0, 40.0)),
        (mlp.Accelerate(processes=2, strategy="fsdp", mixed_precision="bf16"), (SHARD, 1.0, 40.0)),
        (mlp.Accelerate(strategy="fsdp"), (1.0, 0.0, 80.0)),  # one process has all of it
    ],
    ids=lambda compute: str(getattr(compute, "options", "")),
)
def test_a_training_runs_as_its_compute_says(
    tmp_path: Path, compute: mlp.Accelerate, expected: tuple[float, ...]
) -> None:
    result = run_job(LocalRunner(tmp_path), job(tmp_path, compute, times=1.0))
    logged = facts(result)
    held, half, updates = expected
    assert logged["held"] == pytest.approx(held, abs=0.01)
    assert (logged["half"], logged["updates"]) == (half, updates)
    assert error_of(result) < 1.5  # it is 5 for a model that learnt nothing


@pytest.mark.parametrize("processes", [2, 1])
def test_a_sharded_training_resumes_where_it_failed(tmp_path: Path, processes: int) -> None:
    compute = mlp.Accelerate(processes=2, strategy="fsdp")
    runner = LocalRunner(tmp_path / "runs")
    with pytest.raises(TrainingFailedError, match="it fails on purpose"):
        run_job(runner, job(tmp_path, compute, resume_key="one", dies=23))
    result = run_job(runner, job(tmp_path, mlp.Accelerate(processes=processes, strategy="fsdp"), resume_key="one"))
    assert facts(result)["begun"] == 20
    if processes == 2:
        assert result.digest == run_job(LocalRunner(tmp_path / "whole"), job(tmp_path, compute)).digest
    assert error_of(result) < 1.5


@pytest.mark.parametrize(("processes", "returned"), [(2, "as_is"), (1, "within")])
def test_a_module_in_half_precision_is_served_in_the_precision_of_its_weights(
    tmp_path: Path, processes: int, returned: str
) -> None:
    compute = mlp.Accelerate(processes=processes, mixed_precision="bf16")
    assert error_of(run_job(LocalRunner(tmp_path), job(tmp_path, compute, **{returned: True}))) < 1.5


def test_a_shard_of_a_model_is_refused(tmp_path: Path) -> None:
    compute = mlp.Accelerate(processes=2, strategy="fsdp")
    with pytest.raises(TrainingFailedError, match=r"each process has a shard. .*network.load_state_dict\(run.whole"):
        run_job(LocalRunner(tmp_path), job(tmp_path, compute, as_is=True))


@pytest.fixture
def checkpoint_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with object_store(monkeypatch) as bucket:
        yield f"{bucket}/runs"


def test_a_training_resumes_from_an_object_store(tmp_path: Path, checkpoint_store: str) -> None:
    compute, (store, path) = mlp.Accelerate(processes=2), fs.FileSystem.from_uri(checkpoint_store)
    bucket = path.partition("/")[0]
    runners = [LocalRunner(tmp_path / machine, checkpoint_store) for machine in ("one", "other")]
    with pytest.raises(TrainingFailedError, match="it fails on purpose"):
        run_job(runners[0], job(tmp_path, compute, resume_key="kept", dies=23))
    files = store.get_file_info(fs.FileSelector(bucket, recursive=True))
    names = sorted({each.path.split("/")[3] for each in files if each.path.count("/") > 2})
    assert names == ["step-000000000015", "step-000000000020"]
    (newest,) = [each.path for each in files if each.path.endswith(f"{names[-1]}/state.pt")]
    with store.open_output_stream(newest) as stream:
        stream.write(b"torn")
    result = run_job(runners[1], job(tmp_path, compute, resume_key="kept"))
    assert facts(result)["begun"] == 15
    assert result.digest == run_job(LocalRunner(tmp_path / "whole"), job(tmp_path, compute)).digest
    left = store.get_file_info(fs.FileSelector(bucket, recursive=True))
    assert not [each.path for each in left if each.is_file]


def test_a_store_that_is_not_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingFailedError, match=r"cannot be kept at 's4://kept/computed-.*Write MLP_CHECKPOINTS=s3://"
    ):
        run_job(LocalRunner(tmp_path, "s4://kept"), job(tmp_path, mlp.Local(), resume_key="x"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"rate": 1e30},
            r"rank 0: loss is (inf|nan) in backward pass 2: the training diverged\. Lower the learning rate",
        ),
        (
            {"times": 1e38},
            r"rank 0: the norm of the gradients is (inf|nan) after backward pass 1: the training diverged",
        ),
    ],
)
def test_a_training_that_diverges_ends_at_once(tmp_path: Path, params: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingFailedError, match=message):
        run_job(LocalRunner(tmp_path), job(tmp_path, mlp.Accelerate(), **params))
