"""Attempts of trainings in an object store: one process begins each, and earlier ones are refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlp_assets.jobs.fence import Fence, LeaseLostError
from mlp_resources.kubernetes.attempts import Attempts
from mlp_resources.kubernetes.log_reader import LogReader
from mlp_resources.kubernetes.object_folder import ObjectFolder
from tests.support.object_store import object_store


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Attempts]:
    with object_store(monkeypatch) as bucket:
        yield Attempts(ObjectFolder(f"{bucket}/trainings/model-1"))


def test_one_of_many_processes_begins_an_attempt(attempts: Attempts) -> None:
    assert attempts.newest() is None
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: attempts.claim(1, {"by": number}), range(8)))
    assert sum(claim is not None for claim in claims) == 1
    newest = attempts.newest()
    assert newest is not None
    assert newest.number == 1


def test_an_earlier_attempt_is_refused_once_a_newer_one_has_begun(attempts: Attempts) -> None:
    attempts.claim(1, {})
    first = Fence(attempts.root.address, 1)
    with first.write():
        pass
    attempts.claim(2, {})
    with pytest.raises(LeaseLostError, match="attempt 2 has begun"), first.write():
        pytest.fail("the block was run")
    with Fence(attempts.root.address, 2).write():
        pass


def test_an_attempt_goes_on_from_the_newest_complete_checkpoint(attempts: Attempts) -> None:
    assert attempts.checkpoint_before(1) == ""
    first, second = attempts.attempt(1).folder, attempts.attempt(2).folder
    for name in ("step-7", "step-8", "step-9"):
        first.write(f"checkpoints/{name}/state.pt", b"")
    for name in ("step-7", "step-8"):
        first.write(f"checkpoints/{name}/manifest.json", b"{}")
    second.write("claim.json", b"{}")
    assert attempts.checkpoint_before(3) == f"{first.address}/checkpoints/step-8"
    attempts.delete_checkpoints(2)
    assert attempts.checkpoint_before(3) == ""


def test_each_line_of_the_log_is_read_once_over_all_attempts(attempts: Attempts) -> None:
    attempts.claim(1, {})
    reader, lines, offset = LogReader(attempts, time.monotonic), list[str](), 0
    for number, piece, text in ((1, 1, "a\nb\n"), (1, 2, "c\n"), (2, 1, "d\n")):
        attempts.claim(number, {})
        attempts.attempt(number).folder.write(f"log-0/{piece:06}", text.encode())
        while (part := reader.read(offset, now=True)).next_offset > offset:
            lines, offset = [*lines, *part.lines], part.next_offset
    assert lines == ["a", "b", "c", "d"]
