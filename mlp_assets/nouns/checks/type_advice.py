"""What a message says of a value of the wrong type: pydantic says what it expected, we say what to write instead."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.named import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
# Examples for fields that have no default to show.
_TEXTS = {"over": "30d", "metric": "roc_auc", "baseline": "base_rate"}
# Kind of annotation -> what is wrong with a value that does not fit, and what to write when there is no better advice.
_WORDS = {
    "text": ("is not a text", "Write {field} as a text in quotes."),
    "truth": ("is not True or False", "Write {field}=True or {field}=False."),
    "integer": ("is not a whole number", "Write a whole number."),
    "number": ("is not a finite number", "Write a number."),
    "pair": ("is not a pair of whole numbers", "Write {field}=(1, 4), for example."),
    "list": ("is not a list", "Write {field}=[...], with [ ] around it."),
    "mapping": ("is not a mapping", "Write {field}={{'name': ...}}."),
    "function": ("is not a function", "Write {field}=name_of_a_function, without () after it."),
    "expression": ("is not a Polars expression", "Write it with pl.col(...), such as pl.col('amount') > 1."),
    "polars": ("is not a Polars type", "Write a Polars type, such as pl.Int64, pl.String or pl.Datetime."),
}
# pydantic's type of error -> kind of annotation.
_KINDS = {
    "string_type": "text", "bool_type": "truth", "int_type": "integer", "float_type": "number",
    "finite_number": "number", "tuple_type": "pair", "too_long": "pair", "missing": "pair", "sequence_str": "list",
    "dict_type": "mapping", "callable_type": "function", "is_subclass_of": "polars",
}  # fmt: skip
_CLASSES = {"Sequence": "list", "Expr": "expression"}


def misfit_problem(
    where: str, field: str, value: object, errors: "Sequence[ErrorDetails]", *, default: object = None
) -> Problem:
    """What to write instead of a value that does not fit.

    Args:
        errors: pydantic's errors about the value, one for each branch of a union.
        default: of the field, to show as an example.
    """
    first, written = errors[0], f"{field}={shown(value)}"
    context = first.get("ctx", {})
    kind = _KINDS.get(first["type"]) or _CLASSES.get(context.get("class", ""))
    if kind is not None:
        return _misfit(where, field, value, kind, default)
    if first["type"] == "literal_error":
        choices = re.findall("'([^']*)'", context["expected"])
        return Problem(where, f"{written} is not known", texts.did_you_mean(str(value), choices))
    classes = [error.get("ctx", {}).get(name) for error in errors for name in ("class", "class_name")]
    wanted = [name for name in classes if name]
    if wanted:
        return _not_an_object(where, written, wanted)
    return Problem(where, f"{written} does not fit", f"{first['msg']}.")


def _misfit(where: str, field: str, value: object, kind: str, default: object) -> Problem:
    what, advice = _WORDS[kind]
    example = _TEXTS.get(field) if default is None else default
    nearest = _nearest(kind, value)
    fix = advice.format(field=field)
    if nearest is not None:
        fix = f"Write {field}={nearest}."
    elif example is not None and kind in ("text", "integer", "number"):
        fix = f"Write {field}={example!r}, for example."
    return Problem(where, f"{field}={shown(value)} {what}", fix)


def _not_an_object(where: str, written: str, classes: Sequence[str]) -> Problem:
    listed = " or ".join([", ".join(classes[:-1]), classes[-1]] if classes[1:] else classes)
    example = _EXAMPLES.get(classes[0])
    fix = f"Write {example}, for example." if example else f"Write the {listed} object itself, not its name."
    article = "an" if listed[0] in "AEIOU" else "a"
    return Problem(where, f"{written} is not {article} {listed}", fix)


def _nearest(kind: str, value: Any) -> str | None:
    """What the user most likely meant, as Python: 2 for '2' in place of a number, 'x' for pl.col('x') as a name."""
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
            dtype: object = getattr(pl, value.capitalize(), None)
            known = isinstance(dtype, type) and issubclass(dtype, pl.DataType)
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
