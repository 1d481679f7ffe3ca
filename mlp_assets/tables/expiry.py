"""The TTL rule of feature rows, for Polars expressions, arrays and single numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def is_usable(event_time: Any, at: Any, ttl: Any) -> Any:
    """Whether a row of ``event_time`` may be used at ``at``: it has happened, and is not older than its TTL.

    A row exactly as old as its TTL is usable. A TTL of None never expires.

    Args:
        event_time: a Polars expression of times, or an array or number of microseconds.
        at: the same type as ``event_time``.
        ttl: a timedelta for expressions, microseconds for arrays and numbers.
    """
    happened = event_time <= at
    return happened if ttl is None else happened & (at - event_time <= ttl)


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970, as tables and online stores keep times."""
    return (time - _EPOCH) // _MICROSECOND
