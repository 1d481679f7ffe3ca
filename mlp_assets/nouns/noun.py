"""The base of all nouns: a name, an owner, tags, references to other specs, and the order of the checks."""

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

    At its default it is not part of the spec's code version, so that existing materializations do not become stale.
    """
    return field(default=default, metadata={LATER: True})


class Noun(Named):
    """A frozen dataclass that refers to other nouns by object and checks itself.

    Field types are checked first. Checks that depend on a badly typed field are skipped.
    """

    needs_owner: ClassVar[bool] = False

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone. Values cached on the spec are computed again in the other process."""
        state: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(cast("Any", self))}
        mappings = {name: dict(cast("Any", value)) for name, value in state.items() if isinstance(value, Mapping)}
        return state | mappings  # a read-only mapping cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, texts.frozen_mapping(value) if isinstance(value, dict) else value)

    def problems(self) -> list[Problem]:
        """Everything that is wrong with this spec. The specs that it refers to report their own problems."""
        return list(self._problems)

    def own_problems(self) -> list[Problem]:
        """Problems of single fields. Called only if every field has its declared type."""
        return []

    def linked_problems(self) -> list[Problem]:
        """Problems with the specs that it refers to. Called only if all of them have valid types."""
        return []

    @cached_property
    def has_valid_types(self) -> bool:
        """Whether its fields, and those of every spec that it refers to, have their declared types."""
        return not self._misfits and all(
            isinstance(other, Noun) and other.has_valid_types for other in references(self)
        )

    @cached_property
    def _misfits(self) -> tuple[Problem, ...]:
        return tuple(type_problems(self.where, self, without=("owner", "tags")))

    @cached_property
    def _problems(self) -> tuple[Problem, ...]:
        return (*self.field_problems(), *(self.linked_problems() if self.has_valid_types else ()))

    def field_problems(self) -> list[Problem]:
        """Problems of the fields alone, without the references."""
        name: object = getattr(self, "name", None)
        problems = texts.name_problems(self.where, name) if isinstance(name, str) else []
        problems += texts.tag_problems(self.where, getattr(self, "tags", {}))
        owner: object = getattr(self, "owner", None)
        if owner is not None or self.needs_owner:
            problems += texts.owner_problems(self.where, owner)
        return problems + (list(self._misfits) or self.own_problems())


def instances_of(value: object, kind: type[T] | tuple[type[T], ...]) -> list[T]:
    """The objects of the kind in a field that holds a list or one object."""
    values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return [item for item in values if isinstance(item, kind)]


def references(spec: object) -> list[Named]:
    """The specs in the fields of a spec, in the order of the fields."""
    names = [field.name for field in fields(cast("Any", spec))]
    return [reference for name in names for reference in instances_of(getattr(spec, name), Named)]
