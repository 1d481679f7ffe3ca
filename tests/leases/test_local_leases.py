"""What leases of one machine keep besides: that of a process that has ended is free at once, and no file is left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlp_resources.leases.holding import holding
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.lease import LeaseHeldError
from tests.support.lease_places import HOLD
from tests.support.processes import read_line, script


def test_no_file_of_a_holder_is_left(tmp_path: Path) -> None:
    leases = LocalLeases(tmp_path)
    with holding(leases, "state"), holding(leases, "other"):
        pass
    with holding(leases, "state"):
        pass
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
