"""What every kind of lease keeps, between real processes: one holder at a time, and a late one is refused."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from mlp_resources.ports.lease import LeaseHeldError, Leases
from tests.support.lease_places import HOLD, leases_at
from tests.support.postgres_server import NEEDED, postgres_server
from tests.support.processes import read_line, script, stop_outside


@dataclass(frozen=True)
class Kind:
    """A kind of leases.

    Args:
        place: where they lie.
        stop: stops a holder of the lease ``state``, and not in the middle of its bookkeeping.
    """

    place: str
    stop: Callable[[Any], None]

    @property
    def leases(self) -> Leases:
        return leases_at(self.place)


@pytest.fixture(params=["files", pytest.param("postgres", marks=NEEDED)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    if request.param == "files":
        yield Kind(str(tmp_path), lambda holder: stop_outside(tmp_path / "state.lock", holder))
        return
    with postgres_server() as server:
        yield Kind(server.address, _stop_between_renewals)


def _stop_between_renewals(holder: Any) -> None:
    time.sleep(0.3)  # it renews when a third of its seconds is over
    holder.send_signal(signal.SIGSTOP)


def test_one_holds_it_at_a_time_and_numbers_rise(kind: Kind) -> None:
    with holding(kind.leases, "state") as first:
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on .* holds the lease"):
            kind.leases.acquire("state", seconds=1)
        with holding(kind.leases, "other") as other:
            assert (first.number, other.number) == (1, 1)
    leases = kind.leases
    with holding(leases, "state") as second:
        assert second.number == 2
        with pytest.raises(LeaseLostError, match="number 1 expired"), leases.fenced(first):
            raise AssertionError
        with pytest.raises(LeaseLostError, match="number 1 expired"):
            leases.renew(first, seconds=60)
        leases.release(first)  # changes nothing
        with pytest.raises(LeaseHeldError):
            kind.leases.acquire("state", seconds=1)


def test_a_living_holder_keeps_its_lease_beyond_its_first_expiry(kind: Kind) -> None:
    leases = kind.leases
    with holding(leases, "state", seconds=0.6) as lease:
        time.sleep(1.5)
        with pytest.raises(LeaseHeldError):
            kind.leases.acquire("state", seconds=1)
        with leases.fenced(lease):
            pass


def test_a_holder_that_was_stopped_for_too_long_is_refused(kind: Kind, tmp_path: Path) -> None:
    target = tmp_path / "out"
    with script(HOLD, kind.place, "2", str(target)) as late:
        assert read_line(late) == "1"
        kind.stop(late)
        leases = kind.leases
        with holding(leases, "state", wait_seconds=30) as lease, leases.fenced(lease):
            target.write_text("the newer one")
        late.send_signal(signal.SIGCONT)
        assert late.stdin is not None
        late.stdin.write("write\n")
        late.stdin.flush()
        assert "number 1 expired" in read_line(late)
        assert late.wait(30) == 0
    assert (target.read_text(), lease.number) == ("the newer one", 2)
