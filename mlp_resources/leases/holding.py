"""Holding a lease for the time of a block, and renewing it meanwhile."""

import contextlib
import threading
from collections.abc import Generator

from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.ports.lease import Lease, Leases

SECONDS = 60.0


@contextlib.contextmanager
def holding(leases: Leases, name: str, *, seconds: float = SECONDS, wait_seconds: float = 0.0) -> Generator[Lease]:
    """Holds the lease ``name`` during the block; a thread renews it three times as often as it would expire.

    A process that is stopped for longer than ``seconds`` loses it: writes in the block go through ``leases.fenced``.

    Raises:
        LeaseHeldError: somebody else holds it.
    """
    lease, done = leases.acquire(name, seconds=seconds, wait_seconds=wait_seconds), threading.Event()

    def renew() -> None:
        with contextlib.suppress(LeaseLostError):  # the next fenced write says so
            while not done.wait(seconds / 3):
                leases.renew(lease, seconds=seconds)

    renewing = threading.Thread(target=renew, name=f"renew {name}", daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        done.set()
        renewing.join()
        leases.release(lease)
