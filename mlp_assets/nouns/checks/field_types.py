"""Does each field of a spec hold what its annotation says? One check for every wrong type that a user may write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, timedelta
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts

_EXAMPLES = {
    "Aggregation": "mlp.total('amount', over='30d')",
    "AtLeast": "mlp.AtLeast('roc_auc', 0.8)",
    "Local": "mlp.Accelerate(processes=2)",
    "DriftAlarm": "mlp.DriftAlarm()",
    "SplitByTime": "mlp.SplitByTime(validation='2w', test='4w')",
}
_POLARS: dict[object, str] = {
    int: "Int64",
    str: "String",
    float: "Float64",
    bool: "Boolean",
    datetime: "Datetime",
    date: "Date",
}
# Fields that have no default to show.
_TEXTS = {"over": "30d", "metric": "roc_auc", "baseline": "base_rate"}
# Kind of annotation -> what a misfit is called, and what to write when there is no better advice.
_WORDS = {
    "text": ("is not a text", "Write {field} as a text in quotes."),
    "truth": ("is not True or False", "Write {field}=True or {field}=False."),
    "integer": ("is not a whole number", "Write a whole number."),
    "number": ("is not a finite number", "Write a number."),
    "pair": ("is not a pair of whole numbers", "Write {field}=(1, 4), say."),
    "list": ("is not a list", "Write {field}=[...], with [ ] around it."),
    "mapping": ("is not a mapping", "Write {field}={{'name': ...}}."),
    "function": ("is not a function", "Write {field}=a function of a module, by its name and without ()."),
    "expression": ("is no Polars expression", "Write it with pl.col(...), such as pl.col('amount') > 1."),
    "polars": ("is no Polars type", "Write a Polars type, such as pl.Int64, pl.String or pl.Datetime."),
}
_KINDS: dict[object, str] = {
    str: "text", bool: "truth", int: "integer", float: "number", Sequence: "list", Mapping: "mapping", tuple: "list",
    Callable: "function", pl.Expr: "expression", type: "polars", Literal: "choice",
}  # fmt: skip


class Named:
    """A spec with a name of its own, which is checked by itself and not as a part of what refers to it."""

    name: str

    @property
    def where(self) -> str:
        return f"{type(self).__name__} {self.name!r}"


def shape_problems(where: str, owner: Any, *, without: Sequence[str] = ()) -> list[Problem]:
    """The fields of a dataclass, and of the plain dataclasses in them, that hold another type than they declare."""
    found: list[Problem] = []
    hints = _hints(cast("type[object]", type(owner)))
    for field in fields(owner):
        if field.name not in without:
            default = None if field.default is MISSING else field.default
            found += _value_problems(where, field.name, getattr(owner, field.name), hints[field.name], default)
    return found


def shown(value: object) -> str:
    """How a message shows what was written: a spec by its name, all else as Python does, cut when it is long."""
    text = value.where if isinstance(value, Named) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_hints = cache(get_type_hints)


def _value_problems(where: str, field: str, value: Any, hint: Any, default: object = None) -> list[Problem]:
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    fitting = next((choice for choice in choices if _fits(value, choice)), None)
    if fitting is None:
        return [_misfit(where, field, value, choices, default)]
    args = get_args(fitting)
    if is_dataclass(value) and not isinstance(value, type | Named):
        return shape_problems(f"{where}, {field}", value)
    if isinstance(value, Mapping) and args:
        given = cast("Mapping[Any, Any]", value)
        odd = [shown(key) for key in given if not isinstance(key, str)]
        found = [Problem(where, f"{field} has the name {key}", "Write names as texts in quotes.") for key in odd]
        parts = [(f"{field}[{key!r}]", part) for key, part in given.items()]
        return found + [problem for spot, part in parts for problem in _value_problems(where, spot, part, args[1])]
    if isinstance(value, list | tuple) and args:
        parts = [(f"{field}[{place}]", part) for place, part in enumerate(cast("Sequence[Any]", value))]
        return [problem for spot, part in parts for problem in _value_problems(where, spot, part, args[0])]
    return []


def _kind(hint: Any) -> str:
    origin = get_origin(hint) or hint
    if origin is tuple and Ellipsis not in get_args(hint):
        return "pair"
    return _KINDS.get(origin, "object")


def _fits(value: Any, hint: Any) -> bool:
    match _kind(hint):
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return whole or (isinstance(value, float) and isfinite(value))
        case "pair":
            return isinstance(value, tuple) and len(cast("tuple[Any, ...]", value)) == len(get_args(hint))
        case "list":
            return isinstance(value, list | tuple)
        case "mapping":
            return isinstance(value, Mapping)
        case "function":
            return callable(value)
        case "polars":
            return isinstance(value, type) and issubclass(value, pl.DataType)
        case "choice":
            return isinstance(value, str) and value in get_args(hint)
        case _:
            return hint is Any or isinstance(value, hint)


def _misfit(where: str, field: str, value: Any, choices: Sequence[Any], default: object) -> Problem:
    hint, written = choices[0], f"{field}={shown(value)}"
    kind = _kind(hint)
    if kind == "choice":
        return Problem(where, f"{written} is not known", texts.did_you_mean(str(value), get_args(hint)))
    if kind == "object":
        return _no_object(where, written, [choice for choice in choices if choice is not NoneType])
    said, advice = _WORDS[kind]
    default = _TEXTS.get(field) if default is None else default
    nearest = _nearest(kind, value)
    fix = advice.format(field=field)
    if nearest is not None:
        fix = f"Write {field}={nearest}."
    elif default is not None and kind in ("text", "integer", "number"):
        fix = f"Write {field}={default!r}, say."
    return Problem(where, f"{written} {said}", fix)


def _no_object(where: str, written: str, wanted: Sequence[type[object]]) -> Problem:
    nouns = [noun.__name__ for noun in wanted]
    listed = " or ".join([", ".join(nouns[:-1]), nouns[-1]] if nouns[1:] else nouns)
    example = _EXAMPLES.get(nouns[0])
    fix = f"Write {example}, say." if example else f"Write the {listed} object itself, not its name."
    return Problem(where, f"{written} is no {listed}", fix)


def _nearest(kind: str, value: Any) -> str | None:
    """What the user most likely meant, as Python: '2' for a number is 2, pl.col('x') for a column's name is 'x'."""
    match kind, value:
        case "text", pl.Expr():
            names = value.meta.root_names()
            return repr(names[0]) if len(names) == 1 else None
        case "text", date():
            return repr(value.isoformat())
        case "text", timedelta() if value.days >= 1:
            return repr(f"{value.days}d")
        case "integer" | "number", str() | float():
            return _number(kind, value)
        case "polars", type() if value in _POLARS:
            return f"pl.{_POLARS[value]}"
        case "polars", str():
            named: object = getattr(pl, value.capitalize(), None)
            known = isinstance(named, type) and issubclass(named, pl.DataType)
            return f"pl.{value.capitalize()}" if known else None
        case _:
            return None


def _number(kind: str, value: str | float) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    return str(max(1, int(number))) if kind == "integer" else repr(number)
