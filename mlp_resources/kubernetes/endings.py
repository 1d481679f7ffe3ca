"""Decides why an attempt of a training ended, from what all its pods left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlp_resources.compute.local_supervisor import TERMINATED

Kind = Literal["disrupted", "failed"]


@dataclass(frozen=True)
class Ending:
    """Why an attempt ended.

    Args:
        kind: ``disrupted`` came from the cluster, so the training goes on in a new attempt.
        index: the pod that ended first and says the reason; None where a pod left no word.
        reason: in a sentence, of a disruption.
    """

    kind: Kind
    index: int | None = None
    reason: str = ""


def why_it_ended(ends: Mapping[int, Mapping[str, Any]], machines: int, memory: frozenset[int]) -> Ending:
    """Why an attempt ended that did not succeed.

    A pod that was killed or lost leaves no word, and one that was deleted or evicted says that it was terminated. The
    ranks of the other pods then fail too, because their peer is gone. So the first of these decides: a user's error
    comes before the pods are deleted that it takes with it.

    Args:
        ends: index of a pod -> what it left.
        memory: the pods that went over their limit of memory.
    """
    if memory:
        return Ending("failed", min(memory))
    silent = [index for index in range(machines) if index not in ends]
    if silent:
        return Ending("disrupted", reason=f"pod {silent[0]} was killed or lost")
    first = min(ends, key=lambda index: ends[index]["time"])
    if ends[first]["ended_by"] == TERMINATED:
        return Ending("disrupted", reason=f"pod {first} was deleted or evicted")
    return Ending("failed", first)
