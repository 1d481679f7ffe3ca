"""What all nouns have in common: a name, an owner, tags, references to others, and the order of their checks."""

from collections.abc import Mapping
from dataclasses import field, fields
from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.field_types import type_problems
from mlp_assets.nouns.checks.named import Named

T = TypeVar("T")
LATER = "later"
"""Metadata key of a field that was added after specs had been stored."""


def later_field(default: T) -> T:
    """A dataclass field that was added after the first release of its noun.

    At its default it is no part of the spec's code version, so that nothing that was materialized before becomes stale.
    """
    return field(default=default, metadata={LATER: True})


class Noun(Named):
    """A frozen dataclass that refers to other nouns by object and reports what is wrong with itself.

    A check may rely on the types of what it looks at: the fields come first, and where one of them holds another type
    than it declares, nothing that would read it is asked.
    """

    needs_owner: ClassVar[bool] = False

    def __getstate__(self) -> dict[str, Any]:
        """The fields, so that another process can have the spec: what is computed from them is computed there."""
        state: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(cast("Any", self))}
        held = {name: dict(cast("Mapping[str, Any]", one)) for name, one in state.items() if isinstance(one, Mapping)}
        return state | held

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, texts.frozen_mapping(value) if isinstance(value, dict) else value)

    def problems(self) -> list[Problem]:
        """Everything that is wrong with this spec; what it refers to reports for itself."""
        return list(self._problems)

    def own_problems(self) -> list[Problem]:
        """What is wrong with the fields, each of which has its declared type."""
        return []

    def linked_problems(self) -> list[Problem]:
        """What does not go together with the specs that it refers to, all of which are well shaped."""
        return []

    @cached_property
    def well_shaped(self) -> bool:
        """Whether its fields, and those of all that it refers to, hold what they declare."""
        return not self._misfits and all(isinstance(other, Noun) and other.well_shaped for other in referred(self))

    @cached_property
    def _misfits(self) -> tuple[Problem, ...]:
        return tuple(type_problems(self.where, self, without=("owner", "tags")))

    @cached_property
    def _problems(self) -> tuple[Problem, ...]:
        return (*self.field_problems(), *(self.linked_problems() if self.well_shaped else ()))

    def field_problems(self) -> list[Problem]:
        """What is wrong with the fields alone."""
        named: object = getattr(self, "name", None)
        found = texts.name_problems(self.where, named) if isinstance(named, str) else []
        found += texts.tag_problems(self.where, getattr(self, "tags", {}))
        owner: object = getattr(self, "owner", None)
        if owner is not None or self.needs_owner:
            found += texts.owner_problems(self.where, owner)
        return found + (list(self._misfits) or self.own_problems())


def chosen(value: object, kind: type[T] | tuple[type[T], ...]) -> list[T]:
    """Those of the kind in the value of a field, be it a list or one object."""
    listed = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return [one for one in listed if isinstance(one, kind)]


def referred(spec: object) -> list[Named]:
    """The specs in the fields of a spec, in the order in which they are declared."""
    names = [field.name for field in fields(cast("Any", spec))]
    return [one for name in names for one in chosen(getattr(spec, name), Named)]
