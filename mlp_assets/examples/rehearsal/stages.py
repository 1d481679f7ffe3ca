"""Stages of a long command: progress bars, wall time, and the peak memory of the whole platform."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlp_assets.local_platform.memory_use import memory_by_role, resident_bytes

_SAMPLE_SECONDS = 1.0
_NEAR = 0.98  # of the highest resident memory: only then is the proportional share read, which takes ten times as long


@dataclass(frozen=True)
class Stage:
    """A finished stage: wall seconds, and the peak of the memory of all processes, by role, in GB of 2^30 bytes."""

    name: str
    seconds: float
    memory_gb: Mapping[str, float]

    @property
    def peak_gb(self) -> float:
        return round(sum(self.memory_gb.values()), 2)


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
        memory = {role: round(used / 1024**3, 3) for role, used in peak[0].items()}
        finished = Stage(name, round(time.perf_counter() - started, 1), memory)
        self.finished.append(finished)
        if not self.console.is_terminal:
            self.console.print(f"{finished.name}: {finished.seconds} s, {finished.peak_gb} GB")

    def figures(self) -> dict[str, Any]:
        """As plain data: ``total_s``, ``peak_gb``, the ``processes`` at that peak, in GB, and the ``stages``."""
        highest = max(self.finished, key=lambda stage: stage.peak_gb)
        return {
            "total_s": self.total_seconds,
            "peak_gb": highest.peak_gb,
            "processes": dict(sorted(highest.memory_gb.items(), key=lambda entry: -entry[1])),
            "stages": {stage.name: {"seconds": stage.seconds, "peak_gb": stage.peak_gb} for stage in self.finished},
        }

    @property
    def total_seconds(self) -> float:
        return round(sum(stage.seconds for stage in self.finished), 1)

    @property
    def peak_gb(self) -> float:
        return max(stage.peak_gb for stage in self.finished)


@contextlib.contextmanager
def _peak_memory() -> Iterator[list[dict[str, int]]]:
    """The memory of the platform by role, in bytes, when their sum was highest; sampled."""
    peak, over = [memory_by_role()], threading.Event()

    def sample() -> None:
        highest = 0
        while not over.wait(_SAMPLE_SECONDS):
            resident = resident_bytes()
            if resident > _NEAR * highest:
                highest = max(highest, resident)
                peak[0] = max(peak[0], memory_by_role(), key=lambda memory: sum(memory.values()))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()
