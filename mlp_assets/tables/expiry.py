"""When a feature row may be used: one rule, for columns of a table, for arrays and for single numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def is_usable(event_time: Any, at: Any, ttl: Any) -> Any:
    """Whether a row of ``event_time`` may be used at ``at``: it has happened, and is not older than its TTL.

    Exactly as old as its TTL is still usable; a TTL of None never ends.

    Args:
        event_time, at: Polars expressions of times, or arrays or numbers of microseconds.
        ttl: a timedelta for expressions, microseconds for numbers.
    """
    happened = event_time <= at
    return happened if ttl is None else happened & (at - event_time <= ttl)


def microseconds(time: datetime) -> int:
    """A time as tables and online stores keep it: whole microseconds since 1970, exactly."""
    return (time - _EPOCH) // _MICROSECOND
