"""A training whose work is done is not lost by how the libraries of its process end."""

from pathlib import Path

from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.ports.training import run_job
from tests.support.training_jobs import job, with_unclean_libraries


def test_a_library_that_aborts_at_the_exit_costs_no_training(tmp_path: Path) -> None:
    result = run_job(LocalRunner(tmp_path / "runs"), job(tmp_path, with_unclean_libraries, processes=2))
    folder = result.folder.parent
    assert {name: (folder / name).read_text() for name in ("thread", "handler")} == {
        "thread": "done",
        "handler": "done",
    }
