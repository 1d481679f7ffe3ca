"""Stages of a long command: progress bars, wall time, and the peak memory of the whole platform."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlp_resources.compute.processes import tree

_SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class Stage:
    """A finished stage: wall seconds, and the peak proportional set size over all processes, in GB of 2^30 bytes."""

    name: str
    seconds: float
    peak_gb: float


class Stages:
    """Runs stages one after the other and shows them. ``finished`` holds those that succeeded."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.finished: list[Stage] = []
        columns = (
            SpinnerColumn(), TextColumn("{task.description:<44}"), BarColumn(24), MofNCompleteColumn(),
            TimeElapsedColumn(),
        )  # fmt: skip
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)

    @contextlib.contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[Callable[[], None]]:
        """Runs the block as a stage. The block calls the function that it is given after each step."""
        task, started = self.progress.add_task(name, total=steps), time.perf_counter()
        with _peak_memory() as peak:
            yield lambda: self.progress.advance(task)
        self.progress.update(task, completed=steps)
        finished = Stage(name, round(time.perf_counter() - started, 1), round(peak[0] / 1024**3, 2))
        self.finished.append(finished)
        if not self.console.is_terminal:
            self.console.print(f"{finished.name}: {finished.seconds} s, {finished.peak_gb} GB")

    def figures(self) -> dict[str, Any]:
        """As plain data: ``total_s``, ``peak_gb`` and the ``stages``."""
        return {
            "total_s": self.total_seconds,
            "peak_gb": self.peak_gb,
            "stages": {stage.name: {"seconds": stage.seconds, "peak_gb": stage.peak_gb} for stage in self.finished},
        }

    @property
    def total_seconds(self) -> float:
        return round(sum(stage.seconds for stage in self.finished), 1)

    @property
    def peak_gb(self) -> float:
        return max(stage.peak_gb for stage in self.finished)


@contextlib.contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The peak in bytes over this process and its descendants, sampled; shared pages count once."""
    peak, over = [_memory()], threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], _memory())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()


def _memory() -> int:
    total = 0
    for process in tree(os.getpid()):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total
