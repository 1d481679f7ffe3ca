"""The note of a write of a view's table: which definition its rows follow. Notebooks read it, so no Dagster here."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import polars as pl

from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment
from mlp_resources.ports.lake import Lake, Table

NOTE: Final = "definition"
"""The key of the note."""
FIRST = ""
"""The name of the definition with which a table begins."""


def shown(definition: str) -> str:
    """The name of a definition, for people and for tables that need one."""
    return definition or "first"


@dataclass(frozen=True)
class ViewDefinition:
    """A definition of a view.

    Args:
        name: of the definition; unique among those of the table.
        source: name of the definition of the view that is the source; empty for any other source.
        ttl: of the view; empty where it is not recorded.
        polars: the release of Polars that the expressions were recorded with.
        ended: name of each earlier definition -> the last version of the table that follows it.
    """

    name: str = FIRST
    source: str = FIRST
    ttl: str | None = ""
    polars: str = pl.__version__
    ended: Mapping[str, int] = field(default_factory=dict[str, int])

    def to_notes(self) -> dict[str, str]:
        """The note to leave with a write."""
        return {NOTE: json.dumps(asdict(self))}


def definition_at(lake: Lake, table: Table, version: int | None = None) -> ViewDefinition:
    """The definition that a version of a view's table follows, the newest by default."""
    note = lake.notes(table, version).get(NOTE)
    return ViewDefinition(**json.loads(note)) if note is not None else ViewDefinition()


def newest_location(environment: Environment, project: str, view: str) -> str:
    """Where the newest definition of a view is that is online.

    Args:
        project: the name of the project that owns the view.
    """
    definition = definition_at(environment.lake, tables.features(project, view))
    names = [definition.name, *reversed(list(definition.ended))]
    places = [environment.online.location(project, tables.of_definition(view, name)) for name in names]
    return next((place for place in places if environment.online.note(place) is not None), places[-1])
