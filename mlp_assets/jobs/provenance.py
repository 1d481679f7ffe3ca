"""The provenance of a model: the commit of its code, and the machine and packages that trained it."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

NO_COMMIT = "none"


def commit_of(file: str) -> str:
    """The git commit of a file's folder, with ``+changes`` where the folder differs from it; ``none`` without git."""
    folder = Path(file).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return NO_COMMIT
    return f"{commit}+changes" if _git(folder, "status", "--porcelain", "--", ".") else commit


def environment(processes: int, device: str, cpus: float | None = None) -> dict[str, object]:
    """What the result of a training may depend on besides data, code and seed.

    Args:
        cpus: processors of each process; None for an equal share of the machine.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "processes": processes,
        "threads": threads_of(processes, cpus),
        "device": device,
        "packages": packages(),
    }


def threads_of(processes: int, cpus: float | None = None) -> int:
    """Threads of each process: an equal share of this machine's processors, or ``cpus`` where that is less."""
    share = (os.cpu_count() or 1) // processes
    return max(1, share if cpus is None else min(share, int(cpus)))


@cache
def processor() -> str:
    """The model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def packages() -> dict[str, str]:
    """Every installed distribution and its version."""
    return {package.metadata["Name"].lower(): package.version for package in metadata.distributions(path=sys.path)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        process = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.strip() if process.returncode == 0 else None
