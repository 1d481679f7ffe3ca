"""What mlp.Accelerate says is what happens: shards, half precision, accumulated gradients; resumed, it ends alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from moto.server import ThreadedMotoServer
from pyarrow import fs

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, TrainingJob, TrainingResult

EPOCHS, BATCH, ROWS = 4, 16, 320
SHARD = (32 + 16 + 32 + 1) / 129  # of process 0: half of the first layer, and the one row of the last


def network() -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0))


def train(run: mlp.TrainingRun) -> object:
    """Logs what it ran with."""
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
                raise mlp.MlpError("it was told to")
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


def job(folder: Path, compute: mlp.Accelerate, same: str = "", **params: Any) -> TrainingJob:
    table = folder / "table"
    if not table.exists():
        x = np.random.default_rng(0).normal(size=(ROWS * 2, 2))
        rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] - 2 * x[:, 1]}).with_row_index()
        split = pl.when(pl.col("index") < ROWS).then(pl.lit("train")).otherwise(pl.lit("validation"))
        rows.with_columns(split=split).drop("index").write_delta(str(table))
    path = f"{train.__module__}:{train.__qualname__}"
    return TrainingJob(
        "computed", path, str(table), DeltaTable(table).version(), ("a", "b"), "y", "regression", compute.processes, 3,
        params, same, compute.options,
    )  # fmt: skip


def facts(result: TrainingResult) -> dict[str, float]:
    return {name: value for _, name, value in result.history}


def error_of(result: TrainingResult) -> float:
    scorer = load_scorer(result.artifact, result.digest)
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
def test_it_runs_as_it_is_written(tmp_path: Path, compute: mlp.Accelerate, expected: tuple[float, ...]) -> None:
    result = LocalRunner(tmp_path).run(job(tmp_path, compute, times=1.0))
    found = facts(result)
    held, half, updates = expected
    assert found["held"] == pytest.approx(held, abs=0.01)
    assert (found["half"], found["updates"]) == (half, updates)
    assert error_of(result) < 1.5  # 5 for a model that has learnt nothing


@pytest.mark.parametrize("processes", [2, 1])
def test_a_sharded_training_goes_on_where_it_died(tmp_path: Path, processes: int) -> None:
    compute = mlp.Accelerate(processes=2, strategy="fsdp")
    runner = LocalRunner(tmp_path / "runs")
    with pytest.raises(TrainingFailedError, match="it was told to"):
        runner.run(job(tmp_path, compute, same="one", dies=23))
    result = runner.run(job(tmp_path, mlp.Accelerate(processes=processes, strategy="fsdp"), same="one"))
    assert facts(result)["begun"] == 20
    if processes == 2:
        assert result.digest == LocalRunner(tmp_path / "whole").run(job(tmp_path, compute)).digest
    assert error_of(result) < 1.5


@pytest.mark.parametrize(("processes", "returned"), [(2, "as_is"), (1, "within")])
def test_a_module_in_half_precision_is_served_in_that_of_its_weights(
    tmp_path: Path, processes: int, returned: str
) -> None:
    compute = mlp.Accelerate(processes=processes, mixed_precision="bf16")
    assert error_of(LocalRunner(tmp_path).run(job(tmp_path, compute, **{returned: True}))) < 1.5


def test_a_shard_is_not_registered(tmp_path: Path) -> None:
    compute = mlp.Accelerate(processes=2, strategy="fsdp")
    with pytest.raises(TrainingFailedError, match=r"each process has a shard. .*network.load_state_dict\(run.whole"):
        LocalRunner(tmp_path).run(job(tmp_path, compute, as_is=True))


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket, over HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    address = f"s3://kept/runs?endpoint_override=127.0.0.1:{server.get_host_and_port()[1]}&scheme=http"
    fs.FileSystem.from_uri(f"{address}&allow_bucket_creation=true")[0].create_dir("kept")
    yield address
    server.stop()


def test_a_training_goes_on_from_an_object_store(tmp_path: Path, object_store: str) -> None:
    compute, (store, _) = mlp.Accelerate(processes=2), fs.FileSystem.from_uri(object_store)
    runners = [LocalRunner(tmp_path / machine, object_store) for machine in ("one", "other")]
    with pytest.raises(TrainingFailedError, match="it was told to"):
        runners[0].run(job(tmp_path, compute, same="kept", dies=23))
    found = store.get_file_info(fs.FileSelector("kept", recursive=True))
    names = sorted({each.path.split("/")[3] for each in found if each.path.count("/") > 2})
    assert names == ["step-000000000015", "step-000000000020"]
    (newest,) = [each.path for each in found if each.path.endswith(f"{names[-1]}/state.pt")]
    with store.open_output_stream(newest) as stream:
        stream.write(b"torn")
    result = runners[1].run(job(tmp_path, compute, same="kept"))
    assert facts(result)["begun"] == 15
    assert result.digest == LocalRunner(tmp_path / "whole").run(job(tmp_path, compute)).digest
    left = store.get_file_info(fs.FileSelector("kept", recursive=True))
    assert not [each.path for each in left if each.is_file]


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingFailedError, match=r"cannot be kept at 's4://kept/computed-.*Write MLP_CHECKPOINTS=s3://"
    ):
        LocalRunner(tmp_path, "s4://kept").run(job(tmp_path, mlp.Local(), same="x"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "told"),
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
def test_a_training_that_explodes_ends_where_it_does(tmp_path: Path, params: dict[str, float], told: str) -> None:
    with pytest.raises(TrainingFailedError, match=told):
        LocalRunner(tmp_path).run(job(tmp_path, mlp.Accelerate(), **params))
