"""How far a process has come, for whoever watches it: a counter in a file of its own, renewed with each batch."""

import os
import time
from pathlib import Path

_BYTES = 8


class Beat:
    """Counts what this process has done; a call costs a microsecond or two."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._file = os.open(folder / f"beat-{rank}", os.O_WRONLY | os.O_CREAT)
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        os.pwrite(self._file, self._count.to_bytes(_BYTES, "little"), 0)


def hung(folder: Path, patience_seconds: float) -> str | None:
    """What to say of the process that stands still for so long; None while all go on, or have not begun.

    Where one stands still the others soon wait for it, so it is the one that has done least.
    """
    beats = {int(path.name.rpartition("-")[2]): path for path in folder.glob("beat-*")}
    counts = {rank: int.from_bytes(path.read_bytes(), "little") for rank, path in beats.items()}
    still = [rank for rank, path in beats.items() if time.time() - path.stat().st_mtime > patience_seconds]
    if not still or not all(counts.values()):
        return None
    least = min(counts, key=lambda rank: (counts[rank], rank not in still))
    others = f"; the others are at {max(counts.values())}" if len(counts) > 1 else ""
    return f"rank {least} has stood still for {patience_seconds:.0f} s, after step {counts[least]}{others}"
