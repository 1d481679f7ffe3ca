"""mlp.Accelerate is followed: shards, half precision, accumulated gradients; a resumed training ends the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pyarrow import fs
from torch import distributed, nn
from torch.nn import parallel

import mlp_assets as mlp
from mlp_assets.training.checkpoints import Checkpoints
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import TrainingFailedError, TrainingResult, run_job
from tests.support.computed_training import diverge, error_of, job, logged
from tests.support.job_processes import no_process_left
from tests.support.object_store import object_store

__all__ = ["no_process_left"]
pytestmark = pytest.mark.usefixtures("no_process_left")
SHARDED = mlp.Accelerate(processes=2, strategy="fsdp", mixed_precision="bf16")
SHARD = (32 + 16 + 32 + 1) / 129  # of process 0: half of the first layer, and the one row of the last


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A sharded training in half precision that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return run_job(LocalRunner(folder), job(folder, SHARDED))


def test_each_process_has_a_shard_and_computes_in_half_precision(whole: TrainingResult) -> None:
    facts = logged(whole)
    assert facts["held"] == pytest.approx(SHARD, abs=0.01)
    assert (facts["half"], facts["updates"]) == (1.0, 40.0)
    assert error_of(whole) < 1.5


def test_gradients_are_accumulated_and_a_model_in_half_precision_is_served_in_the_precision_of_its_weights(
    tmp_path: Path,
) -> None:
    compute = mlp.Accelerate(mixed_precision="bf16", gradient_accumulation=2)
    result = run_job(LocalRunner(tmp_path), job(tmp_path, compute, within=True))
    facts = logged(result)
    assert (facts["held"], facts["half"], facts["updates"]) == (1.0, 1.0, 40.0)
    assert error_of(result) < 1.5


@pytest.fixture
def checkpoint_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with object_store(monkeypatch) as bucket:
        yield f"{bucket}/runs"


def test_a_training_whose_shard_was_refused_resumes_elsewhere_from_an_object_store(
    tmp_path: Path, checkpoint_store: str, whole: TrainingResult
) -> None:
    store, path = fs.FileSystem.from_uri(checkpoint_store)
    here, elsewhere, alone = (tmp_path / machine for machine in ("here", "elsewhere", "alone"))
    with pytest.raises(TrainingFailedError, match=r"each process has a shard. .*network.load_state_dict\(run.whole"):
        run_job(LocalRunner(here, checkpoint_store), job(tmp_path, SHARDED, resume_key="kept", as_is_at=23))
    files = store.get_file_info(fs.FileSelector(path, recursive=True))
    names = sorted({each.path.split("/")[3] for each in files if each.path.count("/") > 2})
    assert names == ["step-000000000015", "step-000000000020"]
    fs.copy_files(checkpoint_store, str(alone / "checkpoints"))
    (newest,) = [each.path for each in files if each.path.endswith(f"{names[-1]}/state.pt")]
    with store.open_output_stream(newest) as stream:
        stream.write(b"torn")
    resumed = run_job(LocalRunner(elsewhere, checkpoint_store), job(tmp_path, SHARDED, resume_key="kept"))
    assert logged(resumed)["begun"] == 15
    assert resumed.digest == whole.digest
    assert not [each.path for each in store.get_file_info(fs.FileSelector(path, recursive=True)) if each.is_file]
    check_that_one_process_resumes(alone, tmp_path)


def check_that_one_process_resumes(runs: Path, folder: Path) -> None:
    """From the checkpoints of two processes that had a shard each; one has all of it."""
    manifests = [json.loads(path.read_text()) for path in runs.rglob("manifest.json")]
    assert [manifest["world_size"] for manifest in manifests] == [2, 2]
    result = run_job(LocalRunner(runs), job(folder, mlp.Accelerate(strategy="fsdp"), resume_key="kept"))
    facts = logged(result)
    assert (facts["begun"], facts["held"], facts["half"]) == (20, 1.0, 0.0)
    assert error_of(result) < 1.5


@pytest.mark.long
def test_a_wrapped_training_resumes_where_it_failed(tmp_path: Path) -> None:
    wrapped = mlp.Accelerate(processes=2)
    with pytest.raises(TrainingFailedError, match="it fails on purpose"):
        run_job(LocalRunner(tmp_path), job(tmp_path, wrapped, resume_key="kept", dies_at=23))
    resumed = run_job(LocalRunner(tmp_path), job(tmp_path, wrapped, resume_key="kept"))
    assert logged(resumed)["begun"] == 20
    assert resumed.digest == run_job(LocalRunner(tmp_path / "whole"), job(tmp_path, wrapped)).digest


def test_checkpoints_of_a_wrapped_model_are_those_of_the_model(tmp_path: Path) -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = parallel.DistributedDataParallel(nn.Linear(2, 1))
        Checkpoints(str(tmp_path), {"model": wrapped}).save()
    finally:
        distributed.destroy_process_group()
    model = nn.Linear(2, 1)
    assert Checkpoints(str(tmp_path), {"model": model}).done == 0
    assert torch.equal(model.weight, wrapped.module.weight)


def test_a_store_that_is_not_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingFailedError, match=r"cannot be kept at 's4://kept/computed-.*Write MLP_CHECKPOINTS=s3://"
    ):
        run_job(LocalRunner(tmp_path, "s4://kept"), job(tmp_path, mlp.Local(), resume_key="x"))


def test_a_training_that_diverges_ends_at_once(tmp_path: Path) -> None:
    loss = r"rank 0: loss is (inf|nan) in backward pass 3: the training diverged\. Lower the learning rate"
    with pytest.raises(TrainingFailedError, match=loss):
        run_job(LocalRunner(tmp_path), job(tmp_path, mlp.Accelerate(), function=diverge))
    (log,) = tmp_path.rglob("log.txt")
    assert "the norm of the gradients is inf after backward pass 1: the training diverged" in log.read_text()
