"""Killed runs that are run again, and concurrent runs, leave the table of one clean run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.delta import DeltaLake
from tests.support.orders import SPENDING, order_rows
from tests.support.zygote import compute

LONG = bool(os.environ.get("MLP_LONG"))
KILLS, STEP = (100, 1) if LONG else (14, 2)
ROOT = Path(__file__).parents[2]


class Zygote:
    """A process that forks a child for each computation, so that a child is at work within milliseconds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.support.zygote"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, *words: object) -> int:
        """Starts a computation; returns its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    try:
        yield zygote
    finally:
        zygote.close()


def alive(process: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    return False


def wait_for(done: Callable[[], bool], seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.0005)
    return False


def digest(home: Path) -> str:
    return canonical_digest(DeltaLake(home / "lake").scan(SPENDING).collect())


@pytest.fixture
def before(tmp_path: Path) -> tuple[Path, str]:
    """The home of a table of ten days, and a source with later rows that touch seven of them."""
    delta, home = str(tmp_path / "orders"), tmp_path / "before"
    plain = [(user, 0.1 * user + number, number + 0.5, number + 0.5) for number in range(10) for user in range(300)]
    order_rows(*plain).write_delta(delta)
    compute(home, delta)
    order_rows(*((user, 1.7, 2.25, 8.75) for user in range(100))).write_delta(delta, mode="append")
    return home, delta


def test_a_run_that_was_killed_anywhere_and_run_again_leaves_the_table_of_a_clean_run(
    before: tuple[Path, str], zygote: Zygote, tmp_path: Path
) -> None:
    home, delta = before
    clean = tmp_path / "clean"
    shutil.copytree(home, clean)
    compute(clean, delta)
    old, new = digest(home), digest(clean)
    assert old != new
    begun = time.monotonic()
    whole = zygote.start(shutil.copytree(home, tmp_path / "timed"), delta)
    assert wait_for(lambda: not alive(whole))
    length, chance, stages = time.monotonic() - begun, random.Random(7), set[str]()
    for number in range(KILLS):
        copy = Path(shutil.copytree(home, tmp_path / "copy"))
        files_before = len(list(copy.rglob("*")))
        process = zygote.start(copy, delta)
        if number % 2:  # at a random time
            time.sleep(chance.uniform(0, length) if number > 1 else 0)
        else:  # after some more files: first of the data, then of the log
            more = 1 + number // 2 * STEP % 14
            wait_for(
                lambda files_before=files_before, more=more, copy=copy, process=process: (
                    len(list(copy.rglob("*"))) >= files_before + more or not alive(process)
                )
            )
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        assert wait_for(lambda process=process: not alive(process))
        after_kill, new_files = digest(copy), len(list(copy.rglob("*"))) - files_before
        assert after_kill in (old, new)
        stages.add("done" if after_kill == new else "writing" if new_files else "computing")
        compute(copy, delta)
        assert digest(copy) == new
        shutil.rmtree(copy)
    assert stages == {"computing", "writing", "done"}


def test_concurrent_backfills_leave_the_table_of_one(before: tuple[Path, str], zygote: Zygote, tmp_path: Path) -> None:
    home, delta = before
    clean = Path(shutil.copytree(home, tmp_path / "clean"))
    compute(clean, delta)
    for spans in (((0, 9), (0, 9)), ((0, 4), (5, 9)), ((0, 6), (3, 9), (2, 4))):
        copy = Path(shutil.copytree(home, tmp_path / "copy"))
        processes = [zygote.start(copy, delta, first, last) for first, last in spans]
        assert wait_for(lambda processes=processes: not any(alive(process) for process in processes))
        assert digest(copy) == digest(clean)
        shutil.rmtree(copy)
