"""When requests saw the rows of a view: by the record of publications, and by the declared model before it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.training_set import Availability
from mlp_assets.publications.record import Publication, PublicationRecord, publication_of
from mlp_assets.tables.declared_visibility import declared_visibility, grid_of
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.visibility import AS_KNOWN, Grid, Visibility, visible_at, visible_since
from mlp_resources.ports import tables
from mlp_resources.ports.environment import Environment

Versions = Mapping[str, int | None]


def record_versions(environment: Environment, project: Project, views: Sequence[FeatureView]) -> dict[str, int | None]:
    """Table -> the newest version of each view's record of publications; None where nothing was ever published."""
    versions: dict[str, int | None] = {}
    for view in views:
        record = PublicationRecord(environment, project.home_of(view).name, view)
        record.complete()
        versions[str(record.table)] = record.version()
    return versions


def row_visibility(
    environment: Environment, project: Project, view: FeatureView, availability: Availability, versions: Versions
) -> pl.Expr:
    """The time at which a row of the view's table is visible, as an expression over ``event_time`` and ``known_at``.

    Args:
        project: the project that reads the view.
        versions: table -> pinned version, with the record of publications.
    """
    pinned = pinned_availability(project, view, availability, versions)
    if pinned == "known":
        return AS_KNOWN
    grid = grid_of(view, environment.now())
    declared = declared_visibility(project, view, grid)
    history = read_history(environment, project, view, versions) if pinned == "served" else []
    if not history:
        return visible_at(grid, declared)
    return visible_since(grid, declared, history[0].begun, recorded_visibility(grid, history))


def pinned_availability(
    project: Project, view: FeatureView, availability: Availability, versions: Versions
) -> Availability:
    """How rows are joined at pinned versions. Earlier releases pinned no record: they joined as known."""
    pinned = str(tables.publications(project.home_of(view).name, view.name)) in versions
    return availability if availability != "served" or pinned else "known"


def read_history(
    environment: Environment, project: Project, view: FeatureView, versions: Versions
) -> list[Publication]:
    """The publications since the view has had its cadence and mode, in the order in which they began."""
    record = PublicationRecord(environment, project.home_of(view).name, view)
    version = versions[str(record.table)]
    rows = history_rows(record, view, version) if version is not None else pl.DataFrame()
    return [publication_of(row) for row in rows.iter_rows(named=True)]


def history_rows(record: PublicationRecord, view: FeatureView, version: int | None = None) -> pl.DataFrame:
    """Like ``read_history``, as a table."""
    rows = record.rows(version)
    others = (rows["cadence"] != view.publication_mode).arg_true()
    return rows[others[-1] + 1 :] if len(others) else rows


def recorded_visibility(grid: Grid, history: Sequence[Publication]) -> Visibility:
    """The first publication with a moment, or with what was known at a time, says when it was visible."""
    finished = sorted(_finished(history), key=lambda pair: pair[1])
    by_moment = np.full(grid.count, np.datetime64("NaT", "us"))
    known: list[datetime] = []
    ends: dict[datetime, int] = {}  # each publication has nearly all moments of the one before
    for publication, visible in finished:
        for first, last in publication.progress.spans:
            stop = grid.index_of(last) + 1
            slots = by_moment[max(0, ends.get(first, grid.index_of(first))) : stop]
            slots[np.isnat(slots)] = np.datetime64(visible.replace(tzinfo=None), "us")
            ends[first] = max(stop, ends.get(first, 0))
        until = publication.progress.known_until
        known.append(max(until, known[-1]) if known else until)
    times = pl.Series([visible for _, visible in finished], dtype=UTC_TIME)
    first_with = pl.lit(pl.Series(known, dtype=UTC_TIME)).search_sorted(pl.col("known_at"), side="left")
    by_known = pl.lit(times).gather(first_with, null_on_oob=True)
    return Visibility(pl.Series(by_moment).dt.replace_time_zone("UTC"), by_known)


def _finished(history: Sequence[Publication]) -> list[tuple[Publication, datetime]]:
    return [(publication, publication.visible) for publication in history if publication.visible is not None]
