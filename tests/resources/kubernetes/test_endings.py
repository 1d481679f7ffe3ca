"""Why an attempt ended, from what its pods left; and names that Kubernetes takes."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_resources.compute.local_supervisor import STALLED, TERMINATED
from mlp_resources.kubernetes.endings import why_it_ended
from mlp_resources.kubernetes.runner import KubernetesRunner
from mlp_resources.kubernetes.training_job import Place, object_name


def word(time: float, ended_by: str = "") -> dict[str, Any]:
    return {"time": time, "ended_by": ended_by, "exit_code": 1}


@pytest.mark.parametrize(
    ("ends", "memory", "kind", "index"),
    [
        ({0: word(1.0), 1: word(2.0, TERMINATED)}, [], "failed", 0),  # an error, and the pod that was deleted for it
        ({0: word(2.0), 1: word(1.0, TERMINATED)}, [], "disrupted", None),  # a deleted pod, and the rank that missed it
        ({0: word(1.0)}, [], "disrupted", None),  # a pod that was killed
        ({}, [], "disrupted", None),  # a node that was lost
        ({0: word(2.0, TERMINATED), 1: word(1.0, STALLED)}, [], "failed", 1),
        ({0: word(1.0)}, [1], "failed", 1),  # a pod that was killed for its memory
    ],
)
def test_the_first_pod_that_ends_says_why(
    ends: dict[int, dict[str, Any]], memory: list[int], kind: str, index: int | None
) -> None:
    ending = why_it_ended(ends, 2, frozenset(memory))
    assert (ending.kind, ending.index) == (kind, index)


@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=5, unique=True), st.integers(1, 21))
def test_names_are_short_valid_and_apart(names: list[str], number: int) -> None:
    made = [object_name(name, number) for name in names]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(f"{name}-100-abcde") <= 63 for name in made)


def test_a_runner_is_sent_to_another_process_without_its_connections() -> None:
    runner = KubernetesRunner("s3://bucket/trainings", Path("/results"), Place("team", "image"), pull_seconds=7)
    sent = pickle.loads(pickle.dumps(runner))
    assert sent == runner
    assert sent._objects is not runner._objects
