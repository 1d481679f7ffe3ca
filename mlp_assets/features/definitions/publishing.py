"""Publishes a view online: today's definition, and the earlier ones that live endpoints still look up."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.features.definitions.changed_rows import find_changes
from mlp_assets.features.definitions.definition_note import FIRST, definition_at
from mlp_assets.features.definitions.in_use import definitions_in_use, location_of
from mlp_assets.features.definitions.kept_table import KeptDefinition, kept_definition, number_of
from mlp_assets.features.definitions.online_base import OnlineBase, PublishableTable, base_of_all, read_base
from mlp_assets.features.definitions.view_definition import check_is_followed
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_progress import progress_of
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.record import Note, PublicationRecord
from mlp_resources.ports.serving import Changes, OnlineStore, OnlineUnavailableError

_READ_UNTIL = timedelta(hours=1)  # a replica may read for so long after its endpoint has another plan


@dataclass(frozen=True)
class WrittenRows:
    """What was written online.

    Args:
        rows: all rows that are online, or those that changed.
        changed: the number of entities whose row changed or was removed; None if all rows were replaced.
        online: the number of rows that are online.
        newest: the time of the newest row; None without rows.
    """

    rows: pl.DataFrame
    changed: int | None
    online: int
    newest: datetime | None


@dataclass(frozen=True)
class PublishedView:
    """What was published.

    Args:
        definition: the name of the definition that the rows follow.
        rows: the table's rows of which the publication holds the newest.
    """

    location: str
    definition: str
    version: int | None
    rows: pl.LazyFrame
    written: WrittenRows
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
    environment, table = scope.environment, lake_table(scope, view)
    record = PublicationRecord(environment, scope.home(view), view, location if kept else None)
    now = environment.now()
    rows = environment.lake.scan(table, version)
    progress = progress_of(scope, view, table, rows, version, now)
    target = PublishableTable(environment.lake, table, view, version, progress, now)
    rows = progress.publishable(view, rows)
    number = number_of(version or 0) if kept else version or 0
    online, note_before = environment.online, _note_online(scope, location)
    base = read_base(note_before)
    changes = find_changes(base, target) if base is not None else None
    newest = newest_rows(view, rows, now) if changes is None else None
    with record.recording(number, progress, definition) as note:
        written = None
        if note_before is not None and changes is not None:
            written = _write_changes(online, location, view, changes, note_before, number, note)
        if written is None:
            newest = newest if newest is not None else newest_rows(view, rows, now)
            written = _write_all(online, location, newest, target, number, note)
    return PublishedView(location, definition, version, rows, written, now)


def _write_changes(
    online: OnlineStore,
    location: str,
    view: FeatureView,
    found: tuple[Changes, OnlineBase],
    base: str,
    number: int,
    note: Note,
) -> WrittenRows | None:
    """Publishes the changes; None if another publication than the base is online by now."""
    changes, after = found
    count = online.publish_changes(
        location,
        view.entity.keys,
        view.feature_names,
        changes,
        base=base,
        version=number,
        note=lambda: note(after.to_note()),
    )
    changed = changes.rows.height + changes.removed.height
    return WrittenRows(changes.rows, changed, count, changes.newest) if count is not None else None


def _write_all(
    online: OnlineStore, location: str, newest: pl.DataFrame, target: PublishableTable, number: int, note: Note
) -> WrittenRows:
    view, base = target.view, base_of_all(target, newest)
    facts = base.to_note() if base is not None else None
    online.publish(location, view.entity.keys, view.feature_names, newest, version=number, note=lambda: note(facts))
    return WrittenRows(newest, None, newest.height, newest.select(pl.col("event_time").max()).item())


def _note_online(scope: Scope, location: str) -> str | None:
    """The note of the publication that is online. If the store does not answer, the publication says so later."""
    with contextlib.suppress(OnlineUnavailableError):
        return scope.environment.online.note(location)
    return None


def _last_published(scope: Scope, view: FeatureView, definition: str) -> datetime:
    """When a definition was published last; now if it is not online."""
    note = scope.environment.online.note(location_of(scope, view, definition))
    return datetime.fromisoformat(json.loads(note)["at"]) if note else scope.environment.now()
