"""Reads a published view for a request: its usable rows, and the reason for each missing one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.expiry import is_usable
from mlp_resources.ports.serving import Key, OnlineView

FINE, UNKNOWN, EXPIRED, PARTIAL = range(4)
REASONS = {UNKNOWN: "unknown", EXPIRED: "expired", PARTIAL: "partial"}
"""Why features are missing: the entity has no row, its row is past its TTL, or the row lacks some of them."""
_SINGLE = [np.full(1, reason, dtype=np.uint8) for reason in range(4)]


class Read(NamedTuple):
    """Rows that were read from a view.

    ``values`` has the shape (rows, features), or (features,) for a single row, with NaN for missing; ``reasons`` has
    the shape (rows,); ``version`` is the publication's.
    """

    values: Any
    reasons: NDArray[np.uint8]
    version: int


class ViewReader:
    """Reads a view by its plan, with the TTL rule of training rows."""

    def __init__(self, plan: ViewPlan, view: OnlineView) -> None:
        self.name, self.keys = plan.name, plan.keys
        self._get_one, self._get_many = view.get_one, view.get_many
        self._ttl = None if plan.ttl_seconds is None else plan.ttl_seconds * 1_000_000
        self._nothing = (math.nan,) * len(plan.features)

    def read_one(self, key: Key, now: int) -> Read:
        """The row of one entity at ``now``, in microseconds since 1970."""
        values, time, version = self._get_one(key)
        if time is None:
            return Read(values, _SINGLE[UNKNOWN], version)
        if not is_usable(time, now, self._ttl):
            return Read(self._nothing, _SINGLE[EXPIRED], version)
        whole = math.isfinite(sum(values)) or all(map(math.isfinite, values))
        return Read(values, _SINGLE[FINE if whole else PARTIAL], version)

    def read_many(self, keys: Sequence[Key], now: int) -> Read:
        """The rows of several entities, all from one publication."""
        values, times, found, version = self._get_many(keys)
        return usable_rows(values, times, found, version, now, self._ttl)


def usable_rows(values: Any, times: Any, found: NDArray[np.bool_], version: int, now: Any, ttl: int | None) -> Read:
    """The rows of some entities without those that may not be used at ``now``.

    Args:
        values: (rows, features) float64 with NaN for missing; changed in place.
        times: (rows,) event times in microseconds.
        found: (rows,) whether there is a row of the entity.
        now: microseconds, one number or (rows,).
        ttl: microseconds; None means never too old.
    """
    fresh = is_usable(times, now, ttl)
    reasons = np.where(np.isfinite(values).all(axis=1), np.uint8(FINE), np.uint8(PARTIAL))
    if not (fresh.all() and found.all()):
        reasons[~fresh] = EXPIRED
        reasons[~found] = UNKNOWN
        values[~fresh] = np.nan
    return Read(values, reasons, version)
