"""Small checks on what a user writes: names, durations, columns, functions. Each returns problems, none raises."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeVar, cast

from mlp_assets.spec.errors import Problem

T = TypeVar("T")
V = TypeVar("V")

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_DURATION = re.compile(r"^([1-9][0-9]*)([smhdw])$")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
RESERVED_COLUMNS = frozenset({"event_time", "known_at", "partition", "split"})


def duration(text: str) -> timedelta:
    """Turns ``"30d"``, ``"26h"``, ``"1w"`` or ``"90s"`` into a timedelta.

    Raises:
        ValueError: the text is not a whole number above zero and one of s, m, h, d, w.
    """
    match = _DURATION.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    return timedelta(**{_UNIT[match[2]]: int(match[1])})


def moment(text: str) -> datetime:
    """Turns ``"2017-01-01"`` (or a full ISO time) into a time in UTC. Raises ValueError when it is neither."""
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def did_you_mean(word: str, choices: Collection[str]) -> str:
    """A sentence with the closest match, or with the choices when nothing is close."""
    close = get_close_matches(str(word), [str(choice) for choice in choices], n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    listed = ", ".join(repr(choice) for choice in sorted(choices)[:12])
    return f"Write one of {listed}." if listed else "There is none to choose from."


def name_problems(where: str, name: object) -> list[Problem]:
    """Names are lower-case identifiers, as they become asset keys, folders and URLs."""
    if isinstance(name, str) and _NAME.match(name):
        return []
    suggestion = re.sub(r"[^a-z0-9_]+", "_", str(name).lower()).strip("_") or "my_name"
    return [
        Problem(where, f"{name!r} cannot be a name", f"Write lower-case letters, digits and _, such as {suggestion!r}.")
    ]


def duration_problems(where: str, field: str, text: str | None) -> list[Problem]:
    """Checks a duration field; None is allowed."""
    if text is None:
        return []
    try:
        duration(text)
    except ValueError:
        what = f"{field}={text!r} is not a duration"
        return [Problem(where, what, "Write a whole number and one of s, m, h, d, w, such as '30d', '26h' or '1w'.")]
    return []


def moment_problems(where: str, field: str, text: str | None) -> list[Problem]:
    """Checks a date field; None is allowed."""
    if text is None:
        return []
    try:
        moment(text)
    except (TypeError, ValueError):
        return [Problem(where, f"{field}={text!r} is not a date", "Write an ISO date, such as '2017-01-01'.")]
    return []


def column_problems(where: str, wanted: Iterable[str], columns: Mapping[str, object], owner: str) -> list[Problem]:
    """Checks that each wanted column is declared by ``owner``."""
    return [
        Problem(where, f"column {column!r} is not in {owner}", did_you_mean(column, columns))
        for column in wanted
        if column not in columns
    ]


def function_problems(where: str, field: str, function: object) -> list[Problem]:
    """A function in a spec is found again by its path in another process, so it must have one."""
    if function is None:
        return []
    if not callable(function):
        return [Problem(where, f"{field}={function!r} is not a function", f"Write {field}=a function of a module.")]
    qualname = getattr(function, "__qualname__", "")
    if "<lambda>" in qualname:
        what = f"{field} is a lambda, which another process cannot import"
        return [Problem(where, what, f"Write it as a named function of a module (def {field}_...) and pass that.")]
    if not qualname or "<locals>" in qualname or getattr(function, "__module__", "__main__") == "__main__":
        what = f"{field}={qualname or function!r} is not at the top level of an importable module"
        return [Problem(where, what, "Move it to the top level of a module of your package and import it from there.")]
    return []


def function_path(function: Callable[..., object]) -> str:
    """The path ``package.module:function`` by which another process imports the function."""
    return f"{function.__module__}:{function.__qualname__}"


def frozen_sequence(values: Sequence[T] | None) -> tuple[T, ...]:
    """A tuple of the values; a lone string counts as one value, not as its letters."""
    if values is None:
        return ()
    return (cast("T", values),) if isinstance(values, str) else tuple(values)


def frozen_mapping(values: Mapping[str, V] | None) -> Mapping[str, V]:
    """A read-only copy of the mapping."""
    return MappingProxyType(dict(values or {}))
