"""Stops a run, before it writes, if a source's data has columns that are new since the last run."""

import json
from collections.abc import Iterable

from mlp_assets.errors import UnknownSourceColumn
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table

_COLUMNS = "columns"


def noted_columns(scope: Scope, table: Table) -> set[str] | None:
    """The columns that the last run noted with ``table``; None if there was none."""
    noted = scope.environment.lake.notes(table).get(_COLUMNS)
    return set(json.loads(noted)) if noted is not None else None


def check_new_columns(source: Source, noted: set[str] | None, columns: Iterable[str]) -> dict[str, str]:
    """The note on the source's columns, to leave with the next write.

    Args:
        noted: the columns of the last run.
        columns: all columns of the data, declared or not.

    Raises:
        UnknownSourceColumn: a column is neither declared nor was it there at the last run, and ``new_columns`` is
            ``"stop"``.
    """
    names = set(columns) - {"partition"}
    new = sorted(names - set(source.columns) - noted) if noted is not None else []
    if new and source.new_columns == "stop":
        listed = ", ".join(repr(column) for column in new)
        raise UnknownSourceColumn(
            f"{source.where}: its data has {listed} since the last run, which it does not declare. Ask its owner what "
            f"else changed. Then add {listed} to columns, or write new_columns='ignore' to ignore such columns."
        )
    return {_COLUMNS: json.dumps(sorted(names))}
