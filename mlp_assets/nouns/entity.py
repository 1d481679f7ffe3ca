"""Entity: the key columns that identify a thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.noun import Noun


@dataclass(frozen=True, eq=False)
class Entity(Noun):
    """What features are about: a household, or a household and a category.

    Args:
        name: lower-case identifier.
        keys: the key columns, in lookup order.
        description: one sentence for people who read the catalogue.
    """

    name: str
    keys: Sequence[str]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", texts.frozen_sequence(self.keys))

    def own_problems(self) -> list[Problem]:
        problems = texts.reserved_problems(self.where, "key", self.keys)
        if not self.keys:
            problems.append(Problem(self.where, "it has no keys", "Write keys=['household_id'], for example."))
        if len(set(self.keys)) != len(self.keys):
            problems.append(Problem(self.where, f"keys={list(self.keys)} repeats a column", "Write each key once."))
        return problems
