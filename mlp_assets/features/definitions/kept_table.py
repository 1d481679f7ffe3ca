"""Keeps an earlier definition of a view computed, beside today's, for the endpoints that look it up.

It has a table of its own, which begins as a copy of the last version of the view's table that follows the definition.
"""

from collections.abc import Set
from dataclasses import dataclass

import polars as pl

from mlp_assets.errors import MlpError
from mlp_assets.features.definitions.definition_note import NOTE, definition_at, shown
from mlp_assets.features.definitions.documents import view_of_document
from mlp_assets.features.definitions.in_use import definitions_in_use
from mlp_assets.features.definitions.view_definition import read_document, source_definition
from mlp_assets.features.moments.changed_moments import NOTE as CHANGED_FROM
from mlp_assets.features.partition_writer import SOURCE_READ, compute_partitions
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.orchestration.partitions import Windows, partitions_overlapping
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.batches import row_bytes
from mlp_assets.tables.memory import batch_bytes
from mlp_assets.tables.standing_rows import UNTIL, are_standing
from mlp_assets.tables.stored_expressions import UnreadableExpressionError
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Transaction

_COPIED = "copied"
_FIRST_NUMBER = 1 << 32


class LostDefinitionError(MlpError):
    """An earlier definition, on which a model was trained, cannot be computed any more."""


@dataclass(frozen=True)
class KeptDefinition:
    """An earlier definition of a view.

    Args:
        view: with the features of the definition, under the name by which it is stored.
        ended: the last version of the table of today's view that follows the definition.
    """

    name: str
    view: FeatureView
    ended: int


def number_of(version: int) -> int:
    """The number of a publication of a version of an earlier definition's table.

    It is greater than every version of the view's own table, which the definition's first publications came from.
    """
    return (version + 1) * _FIRST_NUMBER


def version_of(number: int) -> int | None:
    """The inverse of ``number_of``; None for a publication of the view's own table, whose number is the version."""
    return number // _FIRST_NUMBER - 1 if number >= _FIRST_NUMBER else None


def kept_definition(scope: Scope, view: FeatureView, name: str) -> KeptDefinition | None:
    """The earlier definition of this name; None if its table never followed it, or nothing can compute it again."""
    lake, table = scope.environment.lake, lake_table(scope, view)
    ended = definition_at(lake, table).ended.get(name)
    document = read_document(scope, view, name)
    if ended is None or document is None:
        return None
    source = _source_of(scope, view, ended)
    if source is None:
        return None
    stored = tables.of_definition(view.name, shown(name))
    try:
        return KeptDefinition(name, view_of_document(view, document, stored, source), ended)
    except UnreadableExpressionError:
        return None


def required_definition(scope: Scope, view: FeatureView, name: str) -> KeptDefinition:
    """The earlier definition of this name. Raises LostDefinitionError if nothing can compute it again."""
    kept = kept_definition(scope, view, name)
    if kept is None:
        raise LostDefinitionError(
            f"{view.where}: the model was trained on an earlier definition of it, which cannot be computed any more. "
            "Train the model again."
        )
    return kept


def bring_up_to_date(scope: Scope, view: FeatureView, kept: KeptDefinition) -> None:
    """Computes an earlier definition for all that the view's own table holds."""
    lake, source = scope.environment.lake, lake_table(scope, view.source)
    keep_computed(scope, view, kept, [], lake.partitions(lake_table(scope, view)), lake.partitions(source))


def keep_all_computed(
    scope: Scope, view: FeatureView, windows: Windows, materialized: Set[str], ingested: Set[str]
) -> None:
    """Computes the earlier definitions of the view that live endpoints look up; arguments are of ``keep_computed``."""
    ended = definition_at(scope.environment.lake, lake_table(scope, view)).ended
    for name in definitions_in_use(scope, view) if ended else ():
        kept = kept_definition(scope, view, name)
        if kept is not None:
            keep_computed(scope, view, kept, windows, materialized, ingested)


def keep_computed(
    scope: Scope, view: FeatureView, kept: KeptDefinition, windows: Windows, materialized: Set[str], ingested: Set[str]
) -> None:
    """Computes an earlier definition for all partitions of the view that its table lacks, and for the windows.

    Args:
        materialized: the partitions of the view; those with rows in its table need not be among them.
        ingested: the partitions of its source.
    """
    below = view.source
    if isinstance(below, FeatureView) and kept.view.source is not below:
        source = _kept_source(scope, view, kept.ended)
        if source is not None:
            keep_computed(scope, below, source, _overlapping(below, windows), ingested, frozenset())
    _copy(scope, view, kept)
    lake = scope.environment.lake
    computed = materialized | lake.partitions(lake_table(scope, view))
    lacking = set(computed) - lake.partitions(lake_table(scope, kept.view)) - {name for name, _ in windows}
    todo = [*((name, Moments.of(view).named(name)) for name in sorted(lacking)), *windows]
    if todo:
        compute_partitions(scope, kept.view, todo, computed, ingested)


def _overlapping(view: FeatureView, windows: Windows) -> Windows:
    """The windows of the view's partitions that overlap others. Today's partition may have new moments."""
    names = {name for _, window in windows for name in partitions_overlapping(view, window.start, window.end)}
    return [(name, Moments.of(view).named(name)) for name in sorted(names)]


def _source_of(scope: Scope, view: FeatureView, ended: int) -> ViewInput | None:
    """What the definition read: today's source, or the view below by its definition of then."""
    below = view.source
    if not isinstance(below, FeatureView) or source_definition(scope, view) == _source_then(scope, view, ended):
        return below
    kept = _kept_source(scope, view, ended)
    return kept.view if kept is not None else None


def _kept_source(scope: Scope, view: FeatureView, ended: int) -> KeptDefinition | None:
    below = view.source
    if not isinstance(below, FeatureView) or scope.home(below) != scope.home(view):
        return None  # the table of another project's view is written by that project alone
    return kept_definition(scope, below, _source_then(scope, view, ended))


def _source_then(scope: Scope, view: FeatureView, ended: int) -> str:
    return definition_at(scope.environment.lake, lake_table(scope, view), ended).source


def _copy(scope: Scope, view: FeatureView, kept: KeptDefinition) -> None:
    """Begins the table of a definition. The last batch of rows marks the copy as whole; until then, it begins again."""
    lake, origin, table = scope.environment.lake, lake_table(scope, view), lake_table(scope, kept.view)
    if lake.transaction(table, _COPIED) or lake.transaction(table, SOURCE_READ):
        return
    read = lake.transaction(origin, SOURCE_READ, kept.ended)
    whole = Transaction(SOURCE_READ, read) if read else Transaction(_COPIED, 1)
    rows = lake.scan(origin, kept.ended)
    stands = [UNTIL] if are_standing(rows) else []
    rows = rows.select(*view.entity.keys, "event_time", "known_at", *stands, *kept.view.feature_names, "partition")
    notes = {name: text for name, text in lake.notes(origin, kept.ended).items() if name not in (NOTE, CHANGED_FROM)}
    groups = _groups(rows, batch_bytes(scope.environment.shards.memory()))
    for number, names in enumerate(groups, 1):
        frame = rows.filter(pl.col("partition").is_in(names)).collect(engine="streaming")
        frame = frame.sort("partition", "event_time", *view.entity.keys, "known_at")
        lake.write_partitions(table, frame, names, whole if number == len(groups) else None, notes)


def _groups(rows: pl.LazyFrame, most_bytes: int) -> list[list[str]]:
    """The partitions in groups of at most about so many bytes, each of at least one; one empty group without rows."""
    most, counts = max(1, most_bytes // row_bytes(rows)), rows.group_by("partition").len("rows").sort("partition")
    totals = counts.collect().with_columns(group=(pl.col("rows").cum_sum() - 1) // most)
    return [group["partition"].to_list() for group in totals.partition_by("group", maintain_order=True)] or [[]]
