"""BatchScore: a model's champion scores a whole table, partition by partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.endpoint import REQUEST_TYPES
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.noun import Noun
from mlp_assets.nouns.source import Source, type_name


@dataclass(frozen=True, eq=False)
class BatchScore(Noun):
    """The rows of a source, scored by a model's champion into a table with the columns of a prediction log.

    Each row gets the answer that an endpoint would give at the row's event time. Views need not be online.

    Args:
        name: lower-case identifier.
        model: the model whose champion scores.
        rows: the source to score. It has the keys and request columns of the model's training set; its event time says
            as of when each row is scored. The table has its partitions.
    """

    name: str
    model: Model
    rows: Source
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads besides the event time: keys and request columns."""
        return (*self.model.training_set.keys, *self.model.training_set.request)

    def linked_problems(self) -> list[Problem]:
        if self.model.problems() or self.rows.problems():
            return []
        problems = texts.column_problems(self.where, self.columns, self.rows.columns, self.rows.where)
        return problems or [problem for name in self.columns for problem in self._type_problems(name)]

    def _type_problems(self, name: str) -> list[Problem]:
        training_set = self.model.training_set
        ours, theirs = self.rows.columns[name], training_set.type_of(name)
        if ours != theirs:
            what = f"column {name!r} is {type_name(ours)} in {self.rows.where} and {type_name(theirs)} in "
            what += f"{training_set.labels.where}, which the model was trained on"
            return [Problem(self.where, what, f"Write columns={{{name!r}: {type_name(theirs)}}} in {self.rows.where}.")]
        if str(ours) in REQUEST_TYPES or (name in training_set.request and isinstance(ours, pl.List)):
            return []
        what = f"column {name!r} is {type_name(ours)}, which a table of predictions cannot hold"
        fix = f"Declare it as one of {', '.join(f'pl.{kind}' for kind in REQUEST_TYPES)} in its sources."
        return [Problem(self.where, what, fix)]
