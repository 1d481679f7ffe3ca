"""How fast a training goes: the rows that its loaders have given, by the time that passed."""

import time
from dataclasses import dataclass, field


@dataclass
class Meter:
    """Counts rows; ``lately`` is the rate since it was asked last, ``overall`` that since the first rows."""

    rows: int = 0
    _first: float | None = None
    _asked: tuple[float, int] = field(default_factory=lambda: (time.monotonic(), 0))

    def add(self, rows: int) -> None:
        self._first = self._first or time.monotonic()
        self.rows += rows

    def lately(self) -> float:
        """Rows a second."""
        (since, before), now = self._asked, time.monotonic()
        self._asked = (now, self.rows)
        return (self.rows - before) / max(now - since, 1e-9)

    def overall(self) -> float:
        """Rows a second; 0 where no loader gave any."""
        return self.rows / max(time.monotonic() - self._first, 1e-9) if self._first is not None else 0.0
