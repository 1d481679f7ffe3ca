"""Checks that each field of a spec holds what its annotation says. pydantic decides what fits, in strict mode."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks.named import shown
from mlp_assets.nouns.checks.type_advice import misfit_problem

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

_KEY = "[key]"  # how pydantic marks an error in a key of a mapping


@dataclass(frozen=True)
class _Place:
    """A value inside a field: who holds it, what it is called there, and the keys that lead to it."""

    where: str
    name: str
    value: Any
    default: object
    path: tuple[object, ...] = ()

    def at(self, keys: Sequence[object]) -> "_Place":
        """The place to which the keys lead."""
        place = self
        for key in keys:
            place = place.enter(key)
        return place

    def enter(self, key: object) -> "_Place":
        """The value under ``key``; the same place where ``key`` only names a branch of a union."""
        value, path = self.value, (*self.path, key)
        if _holds(value, key):
            return _Place(self.where, f"{self.name}[{key!r}]", value[key], None, path)
        held = fields(value) if is_dataclass(value) and not isinstance(value, type) else ()
        inside = (_place_of(f"{self.where}, {self.name}", value, field, path) for field in held if field.name == key)
        return next(inside, self)


def _holds(value: object, key: object) -> bool:
    """Whether the value is a mapping, list or tuple with this key."""
    if isinstance(value, Mapping):
        return key in value
    return isinstance(value, list | tuple) and isinstance(key, int) and key < len(cast("Sequence[object]", value))


def type_problems(where: str, spec: Any, *, without: Sequence[str] = ()) -> list[Problem]:
    """The fields of a spec, and of the plain dataclasses in them, that hold another type than they declare."""
    hints = _hints(cast("type[object]", type(spec)))
    return [
        problem
        for field in fields(spec)
        if field.name not in without
        for problem in _field_problems(_place_of(where, spec, field), hints[field.name])
    ]


_hints = cache(get_type_hints)


@cache
def _adapter(hint: Any) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter  # 0.1 s, which importing mlp_assets should not take

    config = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False, revalidate_instances="always")
    in_tuple = cast("Any", tuple)[hint]  # an adapter of a dataclass alone takes no configuration
    return TypeAdapter(in_tuple, config=config)


def _place_of(where: str, owner: Any, field: "Field[Any]", path: tuple[object, ...] = ()) -> _Place:
    default = None if field.default is MISSING else field.default
    return _Place(where, field.name, getattr(owner, field.name), default, path)


def _field_problems(field: _Place, hint: Any) -> list[Problem]:
    from pydantic import ValidationError

    try:
        _adapter(hint).validate_python((field.value,))
    except ValidationError as error:
        return _problems(field, error.errors(include_url=False))
    return []


def _problems(field: _Place, errors: "Sequence[ErrorDetails]") -> list[Problem]:
    """One problem for each key or value that does not fit; pydantic reports every branch of a union."""
    problems: list[Problem] = []
    misfits: dict[tuple[object, ...], tuple[_Place, list[ErrorDetails]]] = {}
    for error in errors:
        keys = error["loc"][1:]  # without the place in the tuple
        if keys and keys[-1] == _KEY:
            holder = field.at(keys[:-2])
            what = f"{holder.name} has the name {shown(error['input'])}"
            problems.append(Problem(holder.where, what, "Write names as texts in quotes."))
        else:
            place = field.at(keys)
            misfits.setdefault(place.path, (place, []))[1].append(error)
    # A dataclass that fits one branch, but for a field of it, misfits all other branches.
    inside = {path[:length] for path in misfits for length in range(len(path))}
    return problems + [
        misfit_problem(place.where, place.name, place.value, misfit, default=place.default)
        for path, (place, misfit) in misfits.items()
        if path not in inside
    ]
