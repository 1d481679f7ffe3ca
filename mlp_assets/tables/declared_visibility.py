"""The declared model of publications: a view is published by the first scheduled run after its source was ingested."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.nouns.cadence import Cadence, cadence_of, span_of
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.visibility import Grid, Visibility

_MICROSECOND = timedelta(microseconds=1)


def grid_of(view: FeatureView, until: datetime) -> Grid:
    """The moments of a view up to ``until``, or to the end of its source."""
    every, start, end = span_of(view)
    return Grid(start, every, until if end is None else min(end, until))


def declared_visibility(project: Project, view: FeatureView, grid: Grid) -> Visibility:
    """When the rows of a view are visible by the declared model.

    A moment is computed by the first scheduled run of the view's job after the last partition that it reads was
    ingested, or computed, by its own job. Assets of one job are computed in one run. What became known later is
    computed by the first run after that time, or at that time if it is published on arrival. Then ``publish_delay``
    passes.
    """
    moment = pl.col("moment")
    by_moment = grid.moments().to_frame().select(_computed(project, view, moment) + view.publish_delay_length)
    by_known = _computed_version(project, view, pl.col("known_at")) + view.publish_delay_length
    return Visibility(by_moment.to_series(), by_known)


@dataclass(frozen=True)
class _Runs:
    """The runs of a job: ``after`` the end of each partition."""

    start: datetime
    every: timedelta
    after: timedelta

    @classmethod
    def of(cls, cadence: Cadence) -> "_Runs":
        return cls(cadence.start, cadence.every, cadence.run_after)

    def at_or_after(self, time: pl.Expr) -> pl.Expr:
        """The first run that is not before ``time``."""
        return _ceil(time, self.start + self.after, self.every)

    def next(self, time: pl.Expr) -> pl.Expr:
        """The first run after ``time``."""
        return self.at_or_after(time + _MICROSECOND)


def _computed(project: Project, rows: ViewInput, moment: pl.Expr) -> pl.Expr:
    """When a table holds all that its readers need of it for a moment."""
    runs = _Runs.of(cadence_of(project, rows))
    own = _ceil(moment, runs.start, runs.every)  # the partition that ends then holds all up to the moment
    if isinstance(rows, Source):
        return own + runs.after
    external = isinstance(rows.source, Source) and not rows.source.ingested
    source = None if external else _computed(project, rows.source, own)
    return _after_source(project, rows, runs.at_or_after(own), source)


def _computed_version(project: Project, rows: ViewInput, known: pl.Expr) -> pl.Expr:
    """When a table holds what became known at a time."""
    runs = _Runs.of(cadence_of(project, rows))
    if isinstance(rows, Source):
        # A partition brings what became known within it. Late rows of a live source count as known at its end.
        since = known if rows.live else known + _MICROSECOND
        return _ceil(since, runs.start, runs.every) + runs.after
    if rows.publish == "on_arrival":
        return known
    external = isinstance(rows.source, Source) and not rows.source.ingested
    source = None if external else _computed_version(project, rows.source, known)
    return _after_source(project, rows, runs.at_or_after(known), source)


def _after_source(project: Project, view: FeatureView, own: pl.Expr, source: pl.Expr | None) -> pl.Expr:
    """The run that computes a view: in the run of its source, or the first of its own job after it."""
    if source is None:
        return own
    cadence = cadence_of(project, view)
    same_job = any(view.source is written for written in cadence.writes)
    after = source if same_job else _Runs.of(cadence).next(source)
    return pl.max_horizontal(own, after)


def _ceil(time: pl.Expr, start: datetime, every: timedelta) -> pl.Expr:
    return -(-_steps(time, start) // _length(every)) * _length_duration(every) + pl.lit(start).cast(UTC_TIME)


def _steps(time: pl.Expr, start: datetime) -> pl.Expr:
    return (time - pl.lit(start).cast(UTC_TIME)).dt.total_microseconds()


def _length(every: timedelta) -> int:
    return every // _MICROSECOND


def _length_duration(every: timedelta) -> pl.Expr:
    return pl.lit(every).cast(pl.Duration("us"))
