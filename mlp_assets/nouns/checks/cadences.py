"""Checks of cadences: how often rows are ingested, features are computed and monitors judge."""

from bisect import bisect_left
from datetime import timedelta
from typing import Any

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks.texts import duration, duration_problems

_MINUTE, _HOUR, _DAY, _WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
# The lengths to advise. Other minutes that divide a day, such as 288, work too.
_ADVISED = [
    minutes * _MINUTE for minutes in range(1, 1440) if 1440 % minutes == 0 and (minutes < 60 or not minutes % 60)
]


def cadence_problems(where: str, every: Any) -> list[Problem]:
    """A cadence must be minutes that divide a day, whole days, or weeks."""
    if duration_problems(where, "every", every):
        return []
    length = duration(every)
    if not length % (_DAY if length >= _DAY else _MINUTE) and (length >= _DAY or not _DAY % length):
        return []
    what = f"every={every!r} is not a cadence: it is neither minutes that divide a day nor whole days"
    fix = " or ".join(f"every={written(near)!r}" for near in _nearest(length))
    return [Problem(where, what, f"Write {fix}.")]


def monitor_cadence_problems(where: str, every: Any) -> list[Problem]:
    """A monitor judges whole days or weeks."""
    if every in ("1d", "1w", "7d") or duration_problems(where, "every", every):
        return []
    what = f"every={every!r} is not a cadence of a monitor, which judges windows of a day or a week"
    return [Problem(where, what, "Write every='1d' or every='1w'.")]


def _nearest(length: timedelta) -> list[timedelta]:
    """The next shorter and the next longer cadence."""
    if length >= _DAY:
        return [length // _DAY * _DAY, (length // _DAY + 1) * _DAY]
    place = bisect_left(_ADVISED, length)
    return [*_ADVISED[max(0, place - 1) : place], *[*_ADVISED, _DAY][place : place + 1]]


def written(length: timedelta) -> str:
    """A length as users write it."""
    units = {"w": _WEEK, "d": _DAY, "h": _HOUR, "m": _MINUTE}
    letter = next(letter for letter, unit in units.items() if length % unit == timedelta(0))
    return f"{length // units[letter]}{letter}"
