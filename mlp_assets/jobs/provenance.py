"""Where a model comes from: the commit of its code, and the machine and the packages that made it."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

NO_COMMIT = "none"


def commit_of(file: str) -> str:
    """The git commit of the folder of a file, with ``+changes`` where the folder differs from it; ``none`` without."""
    folder = Path(file).resolve().parent
    found = _git(folder, "rev-parse", "HEAD")
    if found is None:
        return NO_COMMIT
    return f"{found}+changes" if _git(folder, "status", "--porcelain", "--", ".") else found


def environment(processes: int, device: str) -> dict[str, object]:
    """What a training's outcome may depend on besides data, code and seed."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "processes": processes,
        "threads": threads_of(processes),
        "device": device,
        "packages": packages(),
    }


def threads_of(processes: int) -> int:
    """Threads of each of the processes that share this machine."""
    return max(1, (os.cpu_count() or 1) // processes)


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
    return {found.metadata["Name"].lower(): found.version for found in metadata.distributions(path=sys.path)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
