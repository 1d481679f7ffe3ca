"""Finds the files that no recorded and no recent version of a project's tables needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlp_assets.maintenance.recorded_versions import add_sources_of_views, needed_versions, recorded_versions
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Lake, Table
from mlp_resources.ports.table_history import StoredFile, TableHistory
from mlp_resources.ports.tables import Kind


@dataclass(frozen=True)
class UnusedFiles:
    """The files of a table that may be removed.

    Args:
        versions: the versions that cannot be read without them.
        recorded: how many recorded versions need other files.
    """

    table: Table
    files: Sequence[StoredFile]
    versions: Sequence[int]
    recorded: int

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def find_unused_files(
    scope: Scope, reads: Iterable[Mapping[str, Any]], predictions: Iterable[Table], since: datetime
) -> list[UnusedFiles]:
    """The unused files of each table of the project that has some.

    Args:
        reads: table or location -> version, versions or None: what materializations of any project recorded as read.
        predictions: the prediction logs of all projects.
        since: versions that were the newest then, or later, are needed too.
    """
    lake = scope.environment.lake
    histories = {
        table: history for table in project_tables(scope) if (history := lake.history(table)) is not None
    }  # before the records: what is recorded meanwhile is newer, and so needed anyway
    recorded = recorded_versions(scope, reads, predictions)
    add_sources_of_views(scope, histories, recorded, since)
    return [
        unused
        for table, history in histories.items()
        if (unused := _unused(lake, table, history, recorded.of(table), since)).files
    ]


def remove_unused_files(lake: Lake, unused: Iterable[UnusedFiles]) -> None:
    for each in unused:
        lake.remove_files(each.table, [file.path for file in each.files])


def project_tables(scope: Scope) -> Iterator[Table]:
    """The tables whose files may be removed. The record of promotions is not among them."""
    project, name = scope.project, scope.project.name
    yield from (tables.source(name, source.name) for source in project.sources if source.ingested)
    yield from (tables.features(name, view.name) for view in project.feature_views)
    yield from (tables.training_set(name, spec.name) for spec in project.training_sets)
    yield from (log(name, spec.name) for spec in project.endpoints for log in (tables.predictions, tables.feedback))
    yield from (tables.table_of(name, Kind.BATCH_SCORE, spec.name) for spec in project.specs_of(BatchScore))
    kinds = (Kind.DRIFT, Kind.ESTIMATED_PERFORMANCE, Kind.REALISED_PERFORMANCE, Kind.ALARMS)
    yield from (tables.table_of(name, kind, monitor.name) for monitor in project.monitors for kind in kinds)
    yield tables.statistics(name)


def _unused(lake: Lake, table: Table, history: TableHistory, recorded: Set[int], since: datetime) -> UnusedFiles:
    unneeded = {file.path: file for file in history.unneeded(needed_versions(history, recorded, since))}
    present = lake.existing_files(table, unneeded)
    files = [file for path, file in unneeded.items() if path in present]
    lost = {version for file in files for version in range(file.added, file.removed or file.added)}
    return UnusedFiles(table, files, sorted(lost), len(recorded))
