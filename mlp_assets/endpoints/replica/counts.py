"""Why features were missing: the reasons of each row, and a count of each reason by view."""

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlp_assets.features.online_reader import FINE, REASONS, Read


class Counts:
    """Counts the rows that one loaded model was asked for, by the reason for missing features. Thread-safe."""

    def __init__(self, views: Iterable[str]) -> None:
        self._since = datetime.now(UTC)
        self._rows = 0
        self._views = {view: dict.fromkeys(REASONS, 0) for view in views}
        self._lock = threading.Lock()

    def add(self, reads: Mapping[str, Read], rows: int) -> None:
        with self._lock:
            self._rows += rows
            for view, read in reads.items():
                if read.reasons.any():
                    for code in REASONS:
                        self._views[view][code] += int(np.count_nonzero(read.reasons == code))

    def to_dict(self) -> dict[str, Any]:
        """All rows, and rows by view and reason, since this replica loaded the model."""
        with self._lock:
            views = {view: {REASONS[code]: count for code, count in by.items()} for view, by in self._views.items()}
            return {"since": self._since.isoformat(), "rows": self._rows, "views": views}


def reasons_by_row(reads: Mapping[str, Read], rows: int) -> list[str]:
    """The reasons of each row, for example ``"spending:expired,visits:partial"``; empty where nothing is missing."""
    reasons = [""] * rows
    for view, read in reads.items():
        for row in (read.reasons != FINE).nonzero()[0].tolist():
            reason = f"{view}:{REASONS[int(read.reasons[row])]}"
            reasons[row] = f"{reasons[row]},{reason}" if reasons[row] else reason
    return reasons
