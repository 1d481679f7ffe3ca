"""Who waits for a training. Several runs may; the one that is cancelled last ends it."""

import hashlib
import time
import uuid
from dataclasses import dataclass

from mlp_resources.kubernetes.object_folder import ObjectFolder

_FOLDER, _RENEW_SECONDS, _GONE_SECONDS = "waiting", 20.0, 120.0


def waiter(asked_by: str) -> str:
    """The identity of who waits: the same for a run and its retries, so a killed one waits no longer than they do."""
    return hashlib.sha256(asked_by.encode()).hexdigest()[:32] if asked_by else uuid.uuid4().hex


@dataclass
class Waiting:
    """A run that waits, among the others that do.

    Args:
        root: the folder of the training.
        identity: of ``waiter``.
    """

    root: ObjectFolder
    identity: str
    renewed: float = 0.0

    def renew(self) -> None:
        """Says that this process still waits."""
        if time.time() - self.renewed > _RENEW_SECONDS:
            self.renewed = time.time()
            self.root.write(self._name(self.identity), b"")

    def end(self) -> None:
        """Says that it waits no more."""
        self.root.delete(self._name(self.identity))

    def others(self) -> bool:
        """Whether another process waits, and said so lately."""
        ages = self.root.ages(_FOLDER)
        return any(age < _GONE_SECONDS for name, age in ages.items() if name != self.identity)

    def _name(self, identity: str) -> str:
        return f"{_FOLDER}/{identity}"
