"""The control groups of this process that account for memory, versions 1 and 2, from the innermost to the outermost.

Every function takes the folder that stands for ``/``, so that tests can read made trees.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")
_UNLIMITED = 2**60  # version 1 writes a number near 2^63 for no limit


@dataclass(frozen=True)
class MemoryGroup:
    """One control group: its folder, and the version of its interface (1 or 2)."""

    folder: Path
    version: int

    @property
    def limit(self) -> int | None:
        """The most bytes that its processes may use; None without a limit. ``memory.high`` only slows them down."""
        if self.version == 2:
            return _number(self.folder / "memory.max")
        # The hierarchical limit also holds for ancestors that a container does not show.
        limits = [_number(self.folder / "memory.limit_in_bytes"), self._statistics().get("hierarchical_memory_limit")]
        return min((limit for limit in limits if limit is not None and limit < _UNLIMITED), default=None)

    @property
    def used(self) -> int:
        """Bytes in use, without the page cache that the kernel takes back when it needs it."""
        usage, cache = ("current", "inactive_file") if self.version == 2 else ("usage_in_bytes", "total_inactive_file")
        return max(0, (_number(self.folder / f"memory.{usage}") or 0) - self._statistics().get(cache, 0))

    @property
    def kills(self) -> int | None:
        """How many of its processes the kernel killed because memory ran out; None where it does not count them."""
        return _table(self.folder / ("memory.events" if self.version == 2 else "memory.oom_control")).get("oom_kill")

    def _statistics(self) -> dict[str, int]:
        return _table(self.folder / "memory.stat")


def memory_groups(root: Path = SYSTEM) -> list[MemoryGroup]:
    """The group of this process and its ancestors, as far as they are mounted; empty without control groups."""
    groups: list[MemoryGroup] = []
    for version, mounted, mount_root in _mounts(root):
        path = _own_path(root, version)
        if path is None:
            continue
        # Without a cgroup namespace, a container is shown the machine's path, and its own group is mounted.
        inner = path.relative_to(mount_root) if path.is_relative_to(mount_root) else PurePosixPath()
        if ".." in inner.parts:  # it was moved out of its namespace
            inner = PurePosixPath()
        folders = [mounted.joinpath(*inner.parts[:depth]) for depth in range(len(inner.parts), -1, -1)]
        groups += [MemoryGroup(folder, version) for folder in folders if (folder / "memory.stat").exists()]
    return groups


def count_kills(root: Path = SYSTEM) -> int:
    """How many processes the kernel has killed for memory: in this process's group, or on the machine.

    The machine's count includes processes of others, so it serves only where the group does not count.
    """
    own = next((group.kills for group in memory_groups(root)), None)
    return own if own is not None else _table(root / "proc/vmstat").get("oom_kill", 0)


def _mounts(root: Path) -> Iterator[tuple[int, Path, PurePosixPath]]:
    """Version, mount point and the group that is mounted there, of each hierarchy that may account for memory."""
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        kind, _, options = [*right.split(" ", 2), "", ""][:3]
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            mount_root, mounted = (text.replace("\\040", " ") for text in left.split(" ")[3:5])
            yield 2 if kind == "cgroup2" else 1, root / mounted.lstrip("/"), PurePosixPath(mount_root)


def _own_path(root: Path, version: int) -> PurePosixPath | None:
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if (version == 2 and number == "0") or (version == 1 and "memory" in controllers.split(",")):
            return PurePosixPath(path)
    return None


def _lines(file: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace").splitlines()
    return []


def _table(file: Path) -> dict[str, int]:
    """Lines of a name and a number; empty where there is no such file."""
    pairs = [line.split() for line in _lines(file)]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _number(file: Path) -> int | None:
    """The number in the file; None for ``max``, and where there is no such file."""
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text())
    return None
