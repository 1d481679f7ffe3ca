"""Collects every version of a project's tables that something recorded and may want to read again."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.features.definitions.definition_note import definition_at
from mlp_assets.features.partition_writer import SOURCE_READ
from mlp_assets.features.source_rows import lake_table, source_table
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags, tables
from mlp_resources.ports.lake import Table
from mlp_resources.ports.registry import Registry
from mlp_resources.ports.table_history import TableHistory

_Reads = Mapping[str, Any]


class RecordedVersions:
    """Table -> its versions that are recorded. A table may be recorded by its name or by its location."""

    def __init__(self, scope: Scope) -> None:
        self._lake = scope.environment.lake
        self._versions: defaultdict[str, set[int]] = defaultdict(set)

    def add(self, table: str, version: object) -> None:
        """Adds a version, or a list of them. Tables without versions are recorded with None, which is left out."""
        versions = version if isinstance(version, list | tuple) else [version]
        self._versions[table] |= {number for number in versions if isinstance(number, int)}

    def add_all(self, reads: _Reads) -> None:
        for table, version in reads.items():
            self.add(table, version)

    def of(self, table: Table) -> Set[int]:
        return self._versions[str(table)] | self._versions[self._lake.location(table)]


def recorded_versions(scope: Scope, reads: Iterable[_Reads], predictions: Iterable[Table]) -> RecordedVersions:
    """What is recorded of the project's tables, apart from what its views follow from: see ``add_sources_of_views``.

    Args:
        reads: what materializations of any project recorded as read.
        predictions: the prediction logs of all projects.
    """
    recorded = RecordedVersions(scope)
    for each in (*reads, *_registered(scope.environment.registry)):
        recorded.add_all(each)
    for table in predictions:
        _add_looked_up(scope, table, recorded)
    _add_described(scope, recorded)
    _add_ended(scope, recorded)
    return recorded


def add_sources_of_views(
    scope: Scope, histories: Mapping[Table, TableHistory], recorded: RecordedVersions, since: datetime
) -> None:
    """Adds the source versions from which the needed versions of the project's views were computed.

    The leak check reads them, and the next computation compares the source with the last of them. Views of views come
    before the views that they read.
    """
    for view in reversed(scope.project.feature_views):
        table = lake_table(scope, view)
        if table in histories:
            for version in needed_versions(histories[table], recorded.of(table), since):
                recorded.add(str(source_table(scope, view.source)), _source_version(scope, table, histories, version))


def _source_version(scope: Scope, table: Table, histories: Mapping[Table, TableHistory], version: int) -> int | None:
    history = histories[table]
    number = history.transaction(SOURCE_READ, version)
    if number is None and history.oldest:  # recorded before the oldest log entry that is left
        number = scope.environment.lake.transaction(table, SOURCE_READ, history.oldest)
    return number - 1 if number else None


def needed_versions(history: TableHistory, recorded: Set[int], since: datetime) -> set[int]:
    """The recorded versions that are left, and those that were the newest at ``since`` or later."""
    left = {version for version in recorded if history.oldest <= version <= history.newest}
    return left | history.newest_since(since)


def _registered(registry: Registry) -> Iterable[_Reads]:
    """What each registered model was trained on, and what that training set was made of."""
    for model in registry.models():
        for version in registry.versions(model):
            for tag in (registry_tags.TRAINING_SET, registry_tags.TABLES_READ):
                if tag in version.tags:
                    yield json.loads(version.tags[tag])


def _add_looked_up(scope: Scope, table: Table, recorded: RecordedVersions) -> None:
    """Adds the versions of the publications that predictions read.

    A prediction names a view without its project, so the versions count for the views of this name here.
    """
    lake = scope.environment.lake
    if lake.version(table) is None:
        return
    texts = lake.scan(table).select(pl.col("view_versions").drop_nulls().unique()).collect(engine="streaming")
    for text in texts.to_series():
        for view, version in json.loads(text).items():
            recorded.add(str(tables.features(scope.project.name, view)), version)


def _add_ended(scope: Scope, recorded: RecordedVersions) -> None:
    """Adds the last versions that follow an earlier definition of a view: a model that was trained on it may return."""
    for view in scope.project.feature_views:
        table = lake_table(scope, view)
        for version in definition_at(scope.environment.lake, table).ended.values():
            recorded.add(str(table), version)


def _add_described(scope: Scope, recorded: RecordedVersions) -> None:
    """Adds the versions that the catalogue's statistics describe."""
    lake, table = scope.environment.lake, tables.statistics(scope.project.name)
    if lake.version(table) is not None:
        rows = lake.scan(table).select("partition", "features_version").unique().collect()
        for view, version in rows.iter_rows():
            recorded.add(str(tables.features(scope.project.name, view)), version)
