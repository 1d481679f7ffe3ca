"""A job spec is read as it was written, and one that this release cannot read is refused."""

import json
import math

import pytest

from mlp_assets.jobs.job_spec import JobSpec, JobSpecError

SPEC = JobSpec(
    name="buys", function="shop.learning:train", table="s3://lake/history", version=3, features=("a", "b"), target="y",
    task="multiclass", seed=7, processes=2, params={"rate": 0.1, "depth": None, "limit": math.inf}, resume_key="0123",
    gpus=0, cpus=1.5, memory_bytes=8 * 10**9, image="shop:1", stop={"metric": "loss", "bounds": [[1, 0.5]]},
    encoders={"b": {"values": ["x", "y"]}}, classes=("low", 2, True),
)  # fmt: skip


def test_a_spec_is_read_as_it_was_written() -> None:
    text = SPEC.to_json()
    assert JobSpec.from_json(text) == SPEC
    assert json.loads(text)["format"] == 1
    assert SPEC.job_name == "buys-0123"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2, and this release reads format 1. Train with an image"),
        ({"format": None}, "has format None"),
        ({"version": "newest"}, "cannot be read: .*version"),
    ],
)
def test_a_spec_that_cannot_be_read_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(JobSpecError, match=f"(?s){message}"):
        JobSpec.from_json(json.dumps(json.loads(SPEC.to_json()) | changes))
