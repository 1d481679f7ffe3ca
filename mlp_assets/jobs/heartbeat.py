"""The progress of a training's processes: each counts its batches and logged metrics in a file of its own."""

import os
import time
from pathlib import Path

_BYTES = 8


class Heartbeat:
    """Counts the progress of this process. A call takes one to two microseconds."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._file = os.open(folder / f"beat-{rank}", os.O_WRONLY | os.O_CREAT)
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        os.pwrite(self._file, self._count.to_bytes(_BYTES, "little"), 0)


def has_begun(folder: Path) -> bool:
    """Whether a process of the training has started."""
    return any(folder.glob("beat-*"))


def stalled_rank(folder: Path, patience_seconds: float) -> str | None:
    """Describes the process that made no progress for ``patience_seconds``; None while all progress.

    A stalled process soon makes the others wait for it, so of several the one with the lowest count is named. Processes
    that have not counted anything yet are not judged: loading a model may take long.
    """
    beats = {int(path.name.rpartition("-")[2]): path for path in folder.glob("beat-*")}
    counts = {rank: int.from_bytes(path.read_bytes(), "little") for rank, path in beats.items()}
    stalled = [rank for rank, path in beats.items() if time.time() - path.stat().st_mtime > patience_seconds]
    if not stalled or not all(counts.values()):
        return None
    slowest = min(counts, key=lambda rank: (counts[rank], rank not in stalled))
    others = f"; the others are at {max(counts.values())}" if len(counts) > 1 else ""
    return f"rank {slowest} made no progress for {patience_seconds:.0f} s, after step {counts[slowest]}{others}"
