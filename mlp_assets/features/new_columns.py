"""The columns that a source's data had at the last run: one that is new stops the next, before anything is written."""

import json
from collections.abc import Iterable

from mlp_assets.errors import UnknownSourceColumn
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table

_COLUMNS = "columns"


def check_new_columns(scope: Scope, source: Source, table: Table, found: Iterable[str]) -> dict[str, str]:
    """The note to leave with the next write of ``table``, which is made of the source's data.

    Args:
        found: the columns of the data, declared or not.

    Raises:
        UnknownSourceColumn: one was neither declared nor there at the last run.
    """
    names = set(found) - {"partition"}
    noted = scope.environment.lake.notes(table).get(_COLUMNS)
    new = sorted(names - set(source.columns) - set(json.loads(noted))) if noted is not None else []
    if new and source.new_columns == "stop":
        listed = ", ".join(repr(column) for column in new)
        raise UnknownSourceColumn(
            f"{source.where}: its data has {listed} since the last run, which it does not declare. What else changed "
            f"there? Add it to columns if you want it, and write new_columns='ignore' to go on without asking."
        )
    return {_COLUMNS: json.dumps(sorted(names))}
