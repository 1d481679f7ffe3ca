"""The attempts of a training, each in a folder of its own of an object store.

``BASE/NAME/0001/claim.json`` says that attempt 1 was begun. It is created by a conditional put, so of several processes
that want to begin an attempt one does. Log, checkpoints and result of an attempt lie in its folder. Whatever a machine
writes that was given up and comes back is in the folder of an attempt that nobody reads any more, and its next
checkpoint is refused (``jobs/fence.py``).
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from mlp_resources.compute.checkpoint_folder import delete_checkpoints
from mlp_resources.kubernetes.object_folder import ObjectFolder

CLAIM, SPEC, CANCELLED, ENDED = "claim.json", "spec.json", "cancelled.json", "ended.json"
CHECKPOINTS, ARTIFACT, RESULT = "checkpoints", "artifact", "result.json"
_MANIFEST, _TAKEN = "manifest.json", "taken-"


def end_file(index: int) -> str:
    """How the processes of a pod ended."""
    return f"end-{index}.json"


def log_folder(index: int) -> str:
    """The pieces of a pod's log, numbered from 1."""
    return f"log-{index}"


def taken_file(asked_by: str) -> str:
    """That its result was taken for somebody."""
    return f"{_TAKEN}{hashlib.sha256(asked_by.encode()).hexdigest()[:16] if asked_by else 'unnamed'}.json"


def is_free(marks: Collection[str], asked_by: str) -> bool:
    """Whether the result is to be had: nobody took it, or the same one did, who may have been killed with it."""
    taken = any(mark.startswith(_TAKEN) for mark in marks)
    return not taken or (asked_by != "" and taken_file(asked_by) in marks)


@dataclass(frozen=True)
class Attempt:
    """One attempt of a training."""

    number: int
    folder: ObjectFolder

    def ends(self, machines: int) -> dict[int, dict[str, Any]]:
        """Index of a pod -> how its processes ended; without those that have not ended, or left no word."""
        read = {index: self.folder.read_json(end_file(index)) for index in range(machines)}
        return {index: end for index, end in read.items() if end is not None}


@dataclass(frozen=True)
class Attempts:
    """All attempts of the training of one name."""

    root: ObjectFolder

    def newest(self) -> Attempt | None:
        numbers = [int(name) for name in self.root.names() if name.isdecimal()]
        return self.attempt(max(numbers)) if numbers else None

    def claim(self, number: int, content: dict[str, Any]) -> Attempt | None:
        """Begins an attempt; None where another process has begun it."""
        attempt = self.attempt(number)
        return attempt if attempt.folder.create(CLAIM, content) else None

    def checkpoint_before(self, number: int) -> str:
        """The address of the newest complete checkpoint of an earlier attempt; empty without one."""
        return next((found for earlier in range(number - 1, 0, -1) for found in self._checkpoints(earlier)), "")

    def delete_checkpoints(self, number: int) -> None:
        """Deletes those of an attempt that succeeded, and of all before it."""
        for each in range(1, number + 1):
            delete_checkpoints(self.attempt(each).folder.below(CHECKPOINTS).address)

    def _checkpoints(self, number: int) -> Iterator[str]:
        folder = self.attempt(number).folder.below(CHECKPOINTS)
        for name in reversed(folder.names()):
            if folder.read(f"{name}/{_MANIFEST}") is not None:
                yield f"{folder.address}/{name}"

    def attempt(self, number: int) -> Attempt:
        return Attempt(number, self.root.below(f"{number:04}"))
