"""Partitions that were never computed or ingested, though readers of a view's table read their moments.

A reader of a moment that is missing takes an earlier one within its TTL, and a window over a missing partition counts
too few events. Neither can be seen from the values.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.features.moments.held_moments import held_moments
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.checks.texts import moment
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import Progress, moments_of, read_progress
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.visibility import Grid

Materialized = Callable[[ViewInput], Set[str]]
_MOST_LISTED = 5


@dataclass(frozen=True)
class Holes:
    """What is missing of what is read of one view.

    Args:
        moments: the moments that are not computed from all that belongs to them, though they are read.
        own: the partitions of the view that hold them.
        below: the partitions that the view's source lacks, though windows of the moments read them.
    """

    view: FeatureView
    moments: pl.Series
    own: tuple[str, ...]
    below: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.own or self.below)

    @property
    def facts(self) -> dict[str, int]:
        return {"missing_partitions": len(self.own), "missing_source_partitions": len(self.below)}

    def describe(self, project: str) -> str:
        """A sentence for each table that lacks partitions, and what to do."""
        told: list[str] = []
        if self.own:
            told.append(
                f"{self.view.where} lacks {listed(self.own, self.view)}, so readers get the features of an earlier "
                "moment there."
            )
        if self.below:
            rows = self.view.source
            told.append(
                f"{rows.where} lacks {listed(self.below, rows)}, so the windows of {self.view.where} over that time "
                "count too little."
            )
        return f"{' '.join(told)} `mlp backfill {project}` computes what is missing."


def find_holes(scope: Scope, view: FeatureView, moments: pl.Series, materialized: Materialized) -> Holes:
    """What is missing for the moments of a view that are read.

    Args:
        moments: sorted.
        materialized: the partitions of a source or view that Dagster recorded as materialized. Those without rows leave
            no trace in the table.
    """
    progress = _progress(scope, view)
    complete = moments_of(progress.spans, Moments.of(view).every) if progress is not None else moments
    missing = moments.filter(~moments.is_in(complete.implode()))
    own = _names(view, missing)
    rows = view.source
    if not len(moments) or (isinstance(rows, Source) and not rows.ingested):
        return Holes(view, missing, own, ())
    start = moment(rows.root.start)
    first = start if view.lookback is None else max(start, moments[0] - view.lookback)
    steps = steps_between(rows, first, moments[-1])
    below = steps.filter(~steps.is_in(_held(scope, rows, materialized).implode()))
    return Holes(view, missing, own, _names(rows, below))


def steps_between(rows: ViewInput, first: datetime, last: datetime) -> pl.Series:
    """The moments of a view, or the ends of the steps of a source, after ``first`` and up to ``last``."""
    moments = Moments.of(rows)
    times = Grid(moments.start, moments.every, last).moments()
    return times.filter(times > first)


def computed_span(scope: Scope, view: FeatureView) -> pl.Series:
    """The moments from the first to the last complete one of a view's table, with those that it lacks in between."""
    progress = _progress(scope, view)
    if progress is None or not progress.spans:
        return pl.Series([], dtype=UTC_TIME)
    return steps_between(view, progress.spans[0][0] - timedelta(microseconds=1), progress.spans[-1][1])


def near_newest(scope: Scope, view: FeatureView) -> pl.Series:
    """The moments up to the newest complete one that what is read of it now depends on: those within the TTL.

    Without a TTL, an entity's row may be as old as the table.
    """
    progress = _progress(scope, view)
    if progress is None or not progress.spans:
        return pl.Series([], dtype=UTC_TIME)
    newest = progress.spans[-1][1]
    first = moment(view.root.start) if view.ttl_length is None else newest - view.ttl_length
    return steps_between(view, first, newest)


def listed(names: Sequence[str], rows: ViewInput) -> str:
    """The partitions as few ranges: ``2024-01-15 to 2024-01-17 (3 partitions), 2024-02-01``."""
    ranges: list[list[str]] = []
    for name in names:
        follows = ranges and moment(name) - moment(ranges[-1][-1]) == Moments.of(rows).partition
        if follows:
            ranges[-1].append(name)
        else:
            ranges.append([name])
    shown = [
        each[0] if len(each) == 1 else f"{each[0]} to {each[-1]} ({len(each)} partitions)"
        for each in ranges[:_MOST_LISTED]
    ]
    more = len(ranges) - len(shown)
    return ", ".join(shown) + (f" and {more} further spans" if more else "")


def _progress(scope: Scope, view: FeatureView) -> Progress | None:
    lake, table = scope.environment.lake, lake_table(scope, view)
    return read_progress(lake, table, lake.version(table))


def _held(scope: Scope, rows: ViewInput, materialized: Materialized) -> pl.Series:
    lake, table = scope.environment.lake, lake_table(scope, rows)
    return held_moments(scope, rows, lake.partitions(table) | materialized(rows), lake.version(table)).times


def _names(rows: ViewInput, times: Iterable[datetime]) -> tuple[str, ...]:
    moments = Moments.of(rows)
    return tuple(sorted({name for at in times for name in moments.names(rows, at)}))
