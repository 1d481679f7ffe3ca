"""Entity: the key columns by which things are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlp_assets.spec import words
from mlp_assets.spec.errors import Problem


@dataclass(frozen=True, eq=False)
class Entity:
    """What features are about: a household, or a household and a category.

    Args:
        name: lower-case identifier.
        keys: the key columns, in the order in which they are looked up.
        description: one sentence for people who read the catalogue.
    """

    name: str
    keys: Sequence[str]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", words.frozen_sequence(self.keys))

    @property
    def where(self) -> str:
        return f"Entity {self.name!r}"

    def problems(self) -> list[Problem]:
        found = words.name_problems(self.where, self.name)
        if not self.keys:
            found.append(Problem(self.where, "it has no keys", "Write keys=['household_id'], say."))
        for key in self.keys:
            if key in words.RESERVED_COLUMNS:
                found.append(Problem(self.where, f"key {key!r} is a reserved column", "Rename the column."))
        if len(set(self.keys)) != len(self.keys):
            found.append(Problem(self.where, f"keys={list(self.keys)} repeats a column", "Write each key once."))
        return found
