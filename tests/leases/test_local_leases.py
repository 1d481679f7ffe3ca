"""Leases between real processes: one holder at a time, and one that was stopped for too long is refused."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.lease import LeaseHeldError
from tests.support.processes import read_line, script, stop_outside

HOLD = """
import sys, time
from pathlib import Path
from mlp_assets.jobs.fence import LeaseLostError
from mlp_resources.leases.holding import holding
from mlp_resources.leases.local import LocalLeases

leases = LocalLeases(Path(sys.argv[1]))
with holding(leases, "state", seconds=float(sys.argv[2])) as lease:
    print(lease.number, flush=True)
    sys.stdin.readline()
    try:
        with leases.fenced(lease):
            Path(sys.argv[3]).write_text("the late one")
        print("written", flush=True)
    except LeaseLostError as error:
        print(error, flush=True)
"""


def test_one_holds_it_at_a_time_and_numbers_rise(tmp_path: Path) -> None:
    leases = LocalLeases(tmp_path)
    with holding(leases, "state") as first:
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on .* holds the lease"):
            leases.acquire("state", seconds=1)
        with holding(leases, "other") as other:
            assert (first.number, other.number) == (1, 1)
    with holding(leases, "state") as second:
        assert second.number == 2
        with pytest.raises(LeaseLostError, match="number 1 expired"), leases.fenced(first):
            raise AssertionError
    assert not list(tmp_path.glob("*.holder"))


def test_a_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    with script(HOLD, str(tmp_path), "600", str(tmp_path / "out")) as holder:
        assert read_line(holder) == "1"
        leases = LocalLeases(tmp_path)
        with pytest.raises(LeaseHeldError):
            leases.acquire("state", seconds=1)
        holder.kill()
        holder.wait()
        with holding(leases, "state", wait_seconds=5) as lease:
            assert lease.number == 2


def test_a_living_holder_keeps_its_lease_beyond_its_first_expiry(tmp_path: Path) -> None:
    leases = LocalLeases(tmp_path)
    with holding(leases, "state", seconds=0.5) as lease:
        time.sleep(1.5)
        with pytest.raises(LeaseHeldError):
            LocalLeases(tmp_path).acquire("state", seconds=1)
        with leases.fenced(lease):
            pass


def test_a_holder_that_was_stopped_for_too_long_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with script(HOLD, str(tmp_path), "1", str(target)) as late:
        assert read_line(late) == "1"
        stop_outside(tmp_path / "state.lock", late)
        leases = LocalLeases(tmp_path)
        with holding(leases, "state", wait_seconds=30) as lease, leases.fenced(lease):
            target.write_text("the newer one")
        late.send_signal(signal.SIGCONT)
        assert late.stdin is not None
        late.stdin.write("write\n")
        late.stdin.flush()
        assert "number 1 expired" in read_line(late)
        assert late.wait(30) == 0
    assert (target.read_text(), lease.number) == ("the newer one", 2)


def test_nothing_is_written_by_a_block_that_fails(tmp_path: Path) -> None:
    from mlp_assets.files import replace_text, replacement

    path = tmp_path / "file"
    replace_text(path, "old", durable=True)

    def fail(write: Callable[[str], int]) -> None:
        write("half")
        raise ValueError

    with pytest.raises(ValueError), replacement(path) as partial:  # noqa: PT011  # the block raises it itself, without a message
        fail(partial.write_text)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
