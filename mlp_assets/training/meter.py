"""The speed of a training: rows that its loaders yielded per second."""

import time
from dataclasses import dataclass, field


@dataclass
class Meter:
    """Counts the rows of this process."""

    rows: int = 0
    _first: float | None = None
    _asked: tuple[float, int] = field(default_factory=lambda: (time.monotonic(), 0))

    def add(self, rows: int) -> None:
        self._first = self._first or time.monotonic()
        self.rows += rows

    def recent_rate(self) -> float:
        """Rows a second since the previous call."""
        (since, before), now = self._asked, time.monotonic()
        self._asked = (now, self.rows)
        return (self.rows - before) / max(now - since, 1e-9)

    def overall_rate(self) -> float:
        """Rows a second since the first rows; 0 where no loader yielded any."""
        return self.rows / max(time.monotonic() - self._first, 1e-9) if self._first is not None else 0.0
