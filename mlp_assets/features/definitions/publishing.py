"""Publishes a view online: today's definition, and the earlier ones that live endpoints still look up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.features.definitions.definition_note import FIRST, definition_at
from mlp_assets.features.definitions.in_use import definitions_in_use, location_of
from mlp_assets.features.definitions.kept_table import KeptDefinition, kept_definition, number_of
from mlp_assets.features.definitions.view_definition import check_is_followed
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_progress import progress_of
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.record import PublicationRecord

_READ_UNTIL = timedelta(hours=1)  # a replica may read for so long after its endpoint has another plan


@dataclass(frozen=True)
class PublishedView:
    """What was published.

    Args:
        definition: the name of the definition that the rows follow.
        rows: the table's rows of which the publication holds the newest.
        newest: the rows that it holds.
    """

    location: str
    definition: str
    version: int | None
    rows: pl.LazyFrame
    newest: pl.DataFrame
    now: datetime


@dataclass(frozen=True)
class EarlierDefinitions:
    """Name of an earlier definition -> the endpoints that look it up.

    Args:
        published: those that were published again.
        stale: those that cannot be computed any more. Their last rows stay online.
    """

    published: Mapping[str, tuple[str, ...]]
    stale: Mapping[str, tuple[str, ...]]


def publish_view(scope: Scope, view: FeatureView) -> PublishedView:
    """Publishes the newest row of each entity by the definition that the view's table follows.

    Raises:
        PublicationRefusedError: the table does not follow today's definition yet.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    version = lake.version(table)
    check_is_followed(scope, view, version)
    definition = definition_at(lake, table, version).name
    return _publish(scope, view, version, location_of(scope, view, definition), definition)


def publish_earlier(scope: Scope, view: FeatureView) -> EarlierDefinitions:
    """Publishes the earlier definitions of the view that live endpoints look up, and removes the others."""
    online = scope.environment.online
    current = definition_at(scope.environment.lake, lake_table(scope, view))
    used = definitions_in_use(scope, view)
    published: dict[str, tuple[str, ...]] = {}
    stale: dict[str, tuple[str, ...]] = {}
    for name in current.ended:
        if name in used:
            kept = kept_definition(scope, view, name)
            kept = kept if kept is not None and publish_kept(scope, view, kept) else None
            (stale if kept is None else published)[name] = used[name]
        elif _last_published(scope, view, name) < scope.environment.now() - _READ_UNTIL:
            online.remove(location_of(scope, view, name))
    return EarlierDefinitions(published, stale)


def publish_kept(scope: Scope, view: FeatureView, kept: KeptDefinition) -> bool:
    """Publishes an earlier definition; False if its table is not there yet."""
    version = scope.environment.lake.version(lake_table(scope, kept.view))
    if version is None:
        return False
    _publish(scope, kept.view, version, location_of(scope, view, kept.name), FIRST, kept=True)
    return True


def _publish(
    scope: Scope,
    view: FeatureView,
    version: int | None,
    location: str,
    definition: str,
    *,
    kept: bool = False,
) -> PublishedView:
    environment = scope.environment
    record = PublicationRecord(environment, scope.home(view), view, location if kept else None)
    now = environment.now()
    rows = environment.lake.scan(lake_table(scope, view), version)
    progress = progress_of(scope, view, lake_table(scope, view), rows, version, now)
    rows = progress.publishable(view, rows)
    newest = newest_rows(view, rows, now)
    number = number_of(version or 0) if kept else version or 0
    with record.recording(number, progress, definition) as note:
        environment.online.publish(location, view.entity.keys, view.feature_names, newest, version=number, note=note)
    return PublishedView(location, definition, version, rows, newest, now)


def _last_published(scope: Scope, view: FeatureView, definition: str) -> datetime:
    """When a definition was published last; now if it is not online."""
    note = scope.environment.online.note(location_of(scope, view, definition))
    return datetime.fromisoformat(json.loads(note)["at"]) if note else scope.environment.now()
