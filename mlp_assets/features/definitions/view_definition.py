"""Which definition of a view the rows of its table follow.

A table follows one definition at a time. When a feature of a view or its TTL is changed or removed, the next run
computes the table again, and from then on it follows a new definition. Each has a name: the one with which the table
began has the empty one. A new feature does not change the others, so it begins no new definition.

Each write of the table notes its definition. The text from which an earlier definition can be computed again is in a
table of its own.
"""

import hashlib
import json
from dataclasses import dataclass, replace

import polars as pl

from mlp_assets.features.definitions.definition_note import FIRST, ViewDefinition, definition_at, shown
from mlp_assets.features.definitions.documents import view_document
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import FeatureDefinition, definitions_of, recorded_definitions
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.standing_rows import are_standing
from mlp_resources.ports import tables
from mlp_resources.ports.serving import PublicationRefusedError


@dataclass(frozen=True)
class Change:
    """What a write does to the definition of a table.

    Args:
        after: the definition from the write on.
        recompute: whether rows that were written before have other values, or lack a feature or a column.
    """

    after: ViewDefinition
    recompute: bool


def next_definition(scope: Scope, view: FeatureView, source_version: int | None) -> Change:
    """The definition of the next write of the view's table.

    Args:
        source_version: of the source's table that is read.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    source = source_definition(scope, view, source_version)
    recorded, today = recorded_definitions(scope, table), definitions_of(view)
    before = definition_at(lake, table)
    if not recorded:
        return Change(ViewDefinition(source=source, ttl=view.ttl), recompute=False)
    kept = [name for name, old in recorded.items() if name in today and is_same(old, today[name], before.polars)]
    recompute = source != before.source or len(kept) < max(len(recorded), len(today))
    recompute = recompute or _lacks_standing_rows(scope, view)
    if source == before.source and before.ttl in ("", view.ttl) and len(kept) == len(recorded):
        return Change(replace(before, ttl=view.ttl, polars=pl.__version__), recompute)
    last = lake.version(table) or 0
    described = json.dumps([source, view.ttl, {name: each.fingerprint for name, each in today.items()}])
    name = f"{last + 1}-{hashlib.sha256(described.encode()).hexdigest()[:6]}"
    ended = {**before.ended, before.name: last}
    return Change(ViewDefinition(name, source, view.ttl, ended=ended), recompute)


def _lacks_standing_rows(scope: Scope, view: FeatureView) -> bool:
    """Whether the view's table was written with a row for each of several moments a day."""
    columns = scope.environment.lake.scan(lake_table(scope, view))
    return Moments.of(view).shorter_than_a_day and not are_standing(columns)


def is_same(old: FeatureDefinition, new: FeatureDefinition, polars: str = pl.__version__) -> bool:
    """Whether two definitions of a feature compute the same.

    Args:
        polars: the release that the old one was recorded with. Another release may write equal expressions otherwise,
            so then the formulas are compared.
    """
    return old.fingerprint == new.fingerprint or (polars != pl.__version__ and old.formula == new.formula)


def check_is_followed(scope: Scope, view: FeatureView, version: int | None) -> None:
    """Raises PublicationRefusedError if the version of the view's table does not follow today's definition."""
    lake, table = scope.environment.lake, lake_table(scope, view)
    recorded, today = recorded_definitions(scope, table, version), definitions_of(view)
    polars = definition_at(lake, table, version).polars
    others = sorted(recorded.keys() ^ today.keys())
    others += [name for name, old in recorded.items() if name in today and not is_same(old, today[name], polars)]
    if recorded and others:
        raise PublicationRefusedError(
            f"{view.where}: its table has not been computed since {others[0]!r} was changed, added or removed. The "
            f"published rows stay online. Materialize {table} first."
        )


def source_definition(scope: Scope, view: FeatureView, version: int | None = None) -> str:
    """The name of the definition that the view below follows; empty for a view of a source."""
    if not isinstance(view.source, FeatureView):
        return FIRST
    return definition_at(scope.environment.lake, lake_table(scope, view.source), version).name


def record_document(scope: Scope, view: FeatureView, definition: ViewDefinition) -> None:
    """Stores the text of a definition. A feature that is new since is added to it."""
    lake, table = scope.environment.lake, tables.definitions(scope.home(view), view.name)
    document = view_document(view)
    if read_document(scope, view, definition.name) == document:
        return
    row = {"definition": definition.name, "document": document, "partition": shown(definition.name)}
    frame = pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))
    lake.write_partitions(table, frame, [row["partition"]])


def read_document(scope: Scope, view: FeatureView, definition: str) -> str | None:
    """The text of a definition; None if there is none, or if it calls a Python function."""
    lake, table = scope.environment.lake, tables.definitions(scope.home(view), view.name)
    if lake.version(table) is None:
        return None
    rows = lake.scan(table).filter(pl.col("definition") == definition).collect()
    return rows["document"][0] if rows.height else None
