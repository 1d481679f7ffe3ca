"""What leases in a real PostgreSQL keep besides: many that ask at once, a write, and a database that goes away."""

import threading
import time
from collections.abc import Iterator

import pytest

from mlp_assets.errors import MlpError
from mlp_resources.leases.holding import holding
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.lease import Lease
from tests.support.ports import free_ports
from tests.support.postgres_server import NEEDED, PostgresServer, postgres_server

pytestmark = NEEDED


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


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
