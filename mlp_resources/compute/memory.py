"""How much memory this process may use: the least of what the machine has free and its control groups allow."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from mlp_resources.compute.control_groups import SYSTEM, count_kills, memory_groups

MB, GB = 1024**2, 1024**3  # as container limits and the figures of `mlp demo` are given

# Measured with the retail project: the platform at rest 1.5, a run of Dagster 0.9, its training 0.7.
_TWO_RUNS, _TWO_TRIALS = 6 * GB, 2 * GB


def format_bytes(count: float) -> str:
    """Such as ``3.1 GB`` or ``40 MB``."""
    return f"{count / GB:.1f} GB" if count >= GB / 10 else f"{count / MB:.0f} MB"


@dataclass(frozen=True)
class Memory:
    """In bytes.

    Args:
        total: the most that can be used.
        available: what is left of it.
        whose: ``machine`` or ``container``: which of them sets the total.
    """

    total: int
    available: int
    whose: str

    @property
    def place(self) -> str:
        return f"this {self.whose}"

    @property
    def limit(self) -> str:
        """The total and whose it is, such as ``4.5 GB of this container``."""
        return f"{format_bytes(self.total)} of {self.place}"

    def __str__(self) -> str:
        return f"{format_bytes(self.available)} of the {self.limit}"


def read_memory(root: Path = SYSTEM) -> Memory:
    """Reads the limits and the use of the machine, of this process's control group and of all its ancestors.

    Args:
        root: the folder that stands for ``/``.
    """
    machine_total, available = _read_machine(root)
    total = machine_total
    for group in memory_groups(root):
        limit = group.limit
        if limit is not None:
            total, available = min(total, limit), min(available, limit - group.used)
    return Memory(total, max(0, available), "machine" if total == machine_total else "container")


def _read_machine(root: Path) -> tuple[int, int]:
    """Total and available bytes of the machine."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:  # no Linux
        memory = psutil.virtual_memory()
        return memory.total, memory.available
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":", 1) for line in lines)}
    return 1024 * kilobytes["MemTotal"], 1024 * kilobytes["MemAvailable"]


def runs_at_once(memory: Memory) -> int:
    """How many runs of Dagster may run at a time beside the platform: one where less than 6 GB is free, else two."""
    return 1 if memory.available < _TWO_RUNS else 2


def trials_at_once(wanted: int, memory: Memory) -> int:
    """How many trials of a search may train at a time: one in a small container or on a full machine."""
    return 1 if memory.total < _TWO_RUNS or memory.available < _TWO_TRIALS else max(1, wanted)


class KillWatch:
    """Counts the processes that the kernel killed for memory since this object was made.

    The kernel counts before it sends the signal, so whoever sees the process gone sees the count.
    """

    def __init__(self, root: Path = SYSTEM) -> None:
        self._root = root
        self._before = count_kills(root)

    def kills(self) -> int:
        return max(0, count_kills(self._root) - self._before)
