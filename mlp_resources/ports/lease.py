"""Leases: locks across processes that expire, and whose holders are numbered so that a late one can be refused."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mlp_assets.errors import MlpError


class LeaseHeldError(MlpError):
    """Somebody else holds the lease."""


@dataclass(frozen=True)
class Lease:
    """A lease that was acquired.

    Args:
        name: what it protects.
        owner: who holds it, for messages: host and process.
        number: the fencing number. Each acquisition of a name has a higher one than all before it.
        expires: when others may take it, in seconds since 1970, unless it is renewed.
    """

    name: str
    owner: str
    number: int
    expires: float


class Leases(Protocol):
    """Named leases, each held by one process at a time.

    A holder that stops renewing (it died, hangs, or was suspended) loses its lease to the next one. It may not know, so
    every write that the lease protects goes through ``fenced``.
    """

    def acquire(self, name: str, *, seconds: float, wait_seconds: float = 0.0) -> Lease:
        """Takes the lease.

        Args:
            seconds: until it expires, unless it is renewed.
            wait_seconds: how long to wait for another holder.

        Raises:
            LeaseHeldError: somebody else holds it, and still did at the end of the wait.
        """
        ...

    def renew(self, lease: Lease, *, seconds: float) -> Lease:
        """The same lease with a later expiry. Raises LeaseLostError where somebody else took it."""
        ...

    def release(self, lease: Lease) -> None:
        """Lets others take the lease at once. Does nothing where somebody else took it already."""
        ...

    def fenced(self, lease: Lease) -> AbstractContextManager[None]:
        """A block for one write under the lease, during which nobody can take it.

        Raises:
            LeaseLostError: somebody else took the lease already; the block is not run.
        """
        ...
