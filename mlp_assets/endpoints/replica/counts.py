"""Why features were missing: told for each row, and counted for each view."""

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlp_assets.features.online_reader import FINE, REASONS, Read


class Counts:
    """Rows that one loaded model was asked for, by what was amiss with their features. Threads may add at once."""

    def __init__(self, views: Iterable[str]) -> None:
        self._since = datetime.now(UTC)
        self._rows = 0
        self._views = {view: dict.fromkeys(REASONS, 0) for view in views}
        self._adding = threading.Lock()

    def add(self, reads: Mapping[str, Read], rows: int) -> None:
        with self._adding:
            self._rows += rows
            for view, read in reads.items():
                if read.reasons.any():
                    for code in REASONS:
                        self._views[view][code] += int(np.count_nonzero(read.reasons == code))

    def told(self) -> dict[str, Any]:
        """Rows in all, and by view and reason, since the model was loaded in this replica."""
        with self._adding:
            views = {view: {REASONS[code]: count for code, count in by.items()} for view, by in self._views.items()}
            return {"since": self._since.isoformat(), "rows": self._rows, "views": views}


def reasons_by_row(reads: Mapping[str, Read], rows: int) -> list[str]:
    """Of each row what is amiss, as ``"spending:expired,visits:partial"``; empty where nothing is."""
    told = [""] * rows
    for view, read in reads.items():
        for row in (read.reasons != FINE).nonzero()[0].tolist():
            said = f"{view}:{REASONS[int(read.reasons[row])]}"
            told[row] = f"{told[row]},{said}" if told[row] else said
    return told
