"""Leases in a real PostgreSQL, between real processes: one holder at a time, and a late one is refused."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlp_assets.errors import MlpError
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.lease import Lease, LeaseHeldError
from tests.support.ports import free_ports
from tests.support.postgres_server import NEEDED, PostgresServer, postgres_server
from tests.support.processes import read_line, script

pytestmark = NEEDED

HOLD = """
import sys
from pathlib import Path
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from mlp_resources.leases.postgres import PostgresLeases

leases = PostgresLeases(sys.argv[1])
with holding(leases, sys.argv[2], seconds=float(sys.argv[3])) as lease:
    print(lease.number, flush=True)
    sys.stdin.readline()
    try:
        with leases.fenced(lease):
            Path(sys.argv[4]).write_text("the late one")
        print("written", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def test_one_holds_it_at_a_time_and_numbers_rise(server: PostgresServer) -> None:
    leases, others = PostgresLeases(server.address), PostgresLeases(server.address)
    with holding(leases, "state") as first:
        with pytest.raises(LeaseHeldError, match=r"process \d+ on .* holds the lease state"):
            others.acquire("state", seconds=1)
        with holding(others, "other") as other:
            assert (first.number, other.number) == (1, 1)
    with holding(others, "state") as second:
        assert second.number == 2
        with pytest.raises(LeaseLostError, match="number 1 expired"), leases.fenced(first):
            raise AssertionError
        with pytest.raises(LeaseLostError, match="number 1 expired"):
            leases.renew(first, seconds=60)
        leases.release(first)  # changes nothing
        with pytest.raises(LeaseHeldError):
            leases.acquire("state", seconds=1)


def test_many_that_ask_at_once_hold_it_one_after_another(server: PostgresServer) -> None:
    held, numbers = threading.Semaphore(1), list[int]()

    def hold() -> None:
        leases = PostgresLeases(server.address)
        with holding(leases, "asked at once", wait_seconds=60) as lease:
            assert held.acquire(blocking=False)
            with leases.fenced(lease):
                numbers.append(lease.number)
            held.release()

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == list(range(1, 9))


def test_a_living_holder_keeps_its_lease_beyond_its_first_expiry(server: PostgresServer) -> None:
    leases = PostgresLeases(server.address)
    with holding(leases, "kept", seconds=0.6) as lease:
        time.sleep(1.5)
        with pytest.raises(LeaseHeldError):
            leases.acquire("kept", seconds=1)
        with leases.fenced(lease):
            pass


def test_a_holder_that_was_stopped_for_too_long_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    target, leases = tmp_path / "out", PostgresLeases(server.address)
    with script(HOLD, server.address, "stopped", "2", str(target)) as late:
        assert read_line(late) == "1"
        time.sleep(0.3)  # it renews when a third of the two seconds is over, and is not stopped in the middle of that
        late.send_signal(signal.SIGSTOP)
        with holding(leases, "stopped", wait_seconds=30) as lease, leases.fenced(lease):
            target.write_text("the newer one")
        late.send_signal(signal.SIGCONT)
        assert late.stdin is not None
        late.stdin.write("write\n")
        late.stdin.flush()
        assert "number 1 expired" in read_line(late)
        assert late.wait(30) == 0
    assert (target.read_text(), lease.number) == ("the newer one", 2)


def test_nobody_takes_it_during_a_write(server: PostgresServer) -> None:
    leases, taken = PostgresLeases(server.address), list[Lease]()
    lease = leases.acquire("written", seconds=0.2)
    taking = threading.Thread(
        target=lambda: taken.append(PostgresLeases(server.address).acquire("written", seconds=60, wait_seconds=30))
    )
    with leases.fenced(lease):
        taking.start()
        time.sleep(1.5)
        assert not taken  # it expired, but its holder is writing
    taking.join()
    assert taken[0].number == 2


def test_a_database_that_goes_away_is_waited_for() -> None:
    with postgres_server() as server:
        leases = PostgresLeases(server.address)
        with holding(leases, "state") as lease:
            server.stop()
            back = threading.Timer(3, server.start)
            back.start()
            with leases.fenced(lease):
                pass
            back.join()
        assert leases.acquire("state", seconds=1).number == 2  # a number is never given twice


def test_a_database_that_never_answers_is_named() -> None:
    (port,) = free_ports(1)
    leases = PostgresLeases(f"postgresql://platform:hunter2@127.0.0.1:{port}/x", patience_seconds=0)
    with pytest.raises(MlpError, match="MLP_DATABASE is right") as refused:
        leases.acquire("state", seconds=1)
    assert "hunter2" not in str(refused.value)
