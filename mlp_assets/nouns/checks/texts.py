"""Small checks of what users write: names, durations, columns, functions. They return problems and never raise."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, cast

from mlp_assets.errors import Problem

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DURATION = re.compile(r"([1-9][0-9]*)([smhdw])")
_MAX_DURATION = timedelta(days=36_525)
# The same as Dagster accepts: its is_valid_email, and the letters of tag keys and values.
_OWNER = re.compile(r"team:\S.*|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG_KEY, _TAG = re.compile(r"[A-Za-z0-9_.-]{1,63}"), re.compile(r"[A-Za-z0-9_.-]{0,63}")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LOGGED_NAME, _LONGEST_LOGGED_NAME = re.compile(r"[/\w.\- :]+"), 250
# Columns of the platform's own tables, which keys, features, request columns and targets share.
RESERVED_COLUMNS = frozenset(
    {
        "event_time", "known_at", "partition", "split", "visible_at", "at", "window", "prediction", "prediction_id",
        "endpoint", "model_version", "requested_at", "degraded", "missing_views", "expired_views", "view_versions",
        "partial_views", "stands_until",
    }
)  # fmt: skip


def duration(text: str) -> timedelta:
    """Turns ``"30d"``, ``"26h"``, ``"1w"`` or ``"90s"`` into a timedelta.

    Raises:
        ValueError: the text is not a positive whole number followed by s, m, h, d or w, or is over a century.
    """
    match = _DURATION.fullmatch(str(text))
    if match is None:
        raise ValueError("is not a duration")
    try:
        length = timedelta(**{_UNIT[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        length = timedelta.max
    if length > _MAX_DURATION:
        raise ValueError("is longer than a century")
    return length


def moment(text: str) -> datetime:
    """Turns ``"2017-01-01"`` or a full ISO time into a time in UTC. Raises ValueError for other texts."""
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def did_you_mean(word: str, choices: Collection[str]) -> str:
    """A sentence with the closest match, or with the choices if none is close."""
    close = get_close_matches(str(word), [str(choice) for choice in choices], n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    listed = ", ".join(repr(choice) for choice in sorted(choices)[:12])
    return f"Write one of {listed}." if listed else "There is nothing to choose from."


def name_problems(where: str, name: object) -> list[Problem]:
    """A name must be a lower-case identifier, because it becomes part of asset keys, folders and URLs."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return []
    suggestion = re.sub(r"[^a-z0-9_]+", "_", str(name).lower()).strip("_0123456789")[:63] or "my_name"
    fix = f"Write lower-case letters, digits and _, such as {suggestion!r}."
    return [Problem(where, f"{str(name)[:80]!r} cannot be a name", fix)]


def duration_problems(where: str, field: str, text: str | None) -> list[Problem]:
    """A duration must be written like ``"30d"``. None is allowed."""
    if text is None:
        return []
    try:
        duration(text)
    except ValueError as error:
        what = f"{field}={text[:40]!r} {error}"
        return [Problem(where, what, "Write a whole number followed by s, m, h, d or w, such as '30d', '26h' or '1w'.")]
    return []


def moment_problems(where: str, field: str, text: str | None) -> list[Problem]:
    """A date must be in ISO format. None is allowed."""
    if text is None:
        return []
    try:
        moment(text)
    except (OverflowError, ValueError):
        return [Problem(where, f"{field}={text!r} is not a date", "Write an ISO date, such as '2017-01-01'.")]
    return []


def not_loggable(name: str) -> str | None:
    """Why MLflow takes no metric or parameter of this name, and what to write; None if it does.

    Source: mlflow/utils/validation.py.
    """
    plain = posixpath.normpath(name) == name and name != "." and not name.startswith(("/", ".."))
    if _LOGGED_NAME.fullmatch(name) and plain and len(name) <= _LONGEST_LOGGED_NAME:
        return None
    written = re.sub(r"[^\w.\- :]+", "_", name)[:_LONGEST_LOGGED_NAME] or "value"
    return (
        f"MLflow takes no metric or parameter named {name[:80]!r}. Write {written[:80]!r}: letters, digits, spaces and "
        f"_ - . : /, at most {_LONGEST_LOGGED_NAME} of them, and no path that leads out of its folder."
    )


def column_problems(where: str, names: Iterable[str], columns: Mapping[str, object], owner: str) -> list[Problem]:
    """Each of the names must be one of the columns that ``owner`` declares."""
    return [
        Problem(where, f"column {column!r} is not in {owner}", did_you_mean(column, columns))
        for column in names
        if column not in columns
    ]


def reserved_problems(where: str, what: str, names: Iterable[str]) -> list[Problem]:
    """No name may be a column of the platform's own tables."""
    fix = "Write another name: the platform's tables have a column of this name."
    return [Problem(where, f"{what} {name!r} is a reserved name", fix) for name in names if name in RESERVED_COLUMNS]


def owner_problems(where: str, owner: object) -> list[Problem]:
    """An owner must be a team or an e-mail address, as Dagster requires."""
    if isinstance(owner, str) and _OWNER.fullmatch(owner):
        return []
    suggestion = re.sub(r"[^a-z0-9_-]+", "_", owner.lower()).strip("_") if isinstance(owner, str) else ""
    suggestion = suggestion.removeprefix("team").strip("_")
    fix = f"Write owner='team:{suggestion or 'my_team'}' or an e-mail address."
    return [Problem(where, f"owner={owner!r} is neither 'team:NAME' nor an e-mail address", fix)]


def tag_problems(where: str, tags: object) -> list[Problem]:
    """Tags must be short labels, as Dagster requires. A value may be empty."""
    if not isinstance(tags, Mapping):
        return [Problem(where, f"tags={tags!r} is not a mapping", "Write tags={'tier': 'gold'}, for example.")]
    fix = "Write 1 to 63 letters, digits, _, - or . for each, such as tags={'tier': 'gold'}."
    return [
        Problem(where, f"tags={{{key!r}: {value!r}}} cannot be a tag", fix)
        for key, value in cast("Mapping[object, object]", tags).items()
        if not (isinstance(key, str) and _TAG_KEY.fullmatch(key) and isinstance(value, str) and _TAG.fullmatch(value))
    ]


def function_problems(where: str, field: str, function: object) -> list[Problem]:
    """A function must be importable by its path, because other processes import it."""
    if function is None:
        return []
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


def frozen_sequence(values: Any) -> Any:
    """A tuple of the values. A single string becomes a tuple of one.

    Values that are not lists are returned unchanged; validation reports them.
    """
    if values is None:
        return ()
    if isinstance(values, str):
        return (values,)
    ordered = isinstance(values, Iterable) and not isinstance(values, Mapping | Set)
    return tuple(cast("Iterable[Any]", values)) if ordered else cast("Any", values)


def frozen_mapping(values: Any) -> Any:
    """A read-only copy of the mapping. Other values are returned unchanged; validation reports them."""
    if values is not None and not isinstance(values, Mapping):
        return values
    return MappingProxyType(dict(cast("Mapping[Any, Any]", values or {})))
