"""The history of a table: its commits, and which versions need which file."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class StoredFile:
    """A file of a table.

    Args:
        path: below the table's folder.
        added: the first version that has it.
        removed: the first version that no longer has it; None while the newest has it.
    """

    path: str
    bytes: int
    added: int
    removed: int | None = None

    def is_needed_by(self, version: int) -> bool:
        return self.added <= version and (self.removed is None or version < self.removed)


@dataclass(frozen=True)
class TableHistory:
    """The versions of a table that can still be opened by their log.

    Args:
        oldest: the first of them.
        times: when each version from ``oldest`` on was committed, in UTC.
        files: every file that one of the versions has. Some may be gone.
        transactions: application -> (version, number), by version, for each time its counter moved.
    """

    oldest: int
    times: Sequence[datetime]
    files: Sequence[StoredFile]
    transactions: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict[str, Sequence[tuple[int, int]]])

    @property
    def newest(self) -> int:
        return self.oldest + len(self.times) - 1

    def newest_since(self, moment: datetime) -> set[int]:
        """The versions that were the newest at the moment or later."""
        until = [*self.times[1:], None]
        return {self.oldest + place for place, end in enumerate(until) if end is None or end > moment}

    def transaction(self, application: str, version: int) -> int | None:
        """The number of the application's last transaction at a version; None without one."""
        moved = self.transactions.get(application, ())
        place = bisect_right([at for at, _ in moved], version)
        return moved[place - 1][1] if place else None

    def unneeded(self, versions: Set[int]) -> list[StoredFile]:
        """The files that none of the versions has. The newest version counts always."""
        ordered = sorted({*versions, self.newest})
        return [file for file in self.files if not _is_needed(file, ordered)]


def _is_needed(file: StoredFile, ordered: Sequence[int]) -> bool:
    place = bisect_right(ordered, file.added - 1)
    return place < len(ordered) and file.is_needed_by(ordered[place])
