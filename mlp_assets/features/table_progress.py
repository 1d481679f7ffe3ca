"""The progress that a write of a view's table leaves in its commit, and the one that a publication goes by."""

from datetime import UTC, datetime, timedelta

import polars as pl

from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import span_of
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import Progress, complete_moments, read_progress, spans_of
from mlp_resources.ports.lake import Table

_MICROSECOND = timedelta(microseconds=1)


def progress_after(
    scope: Scope, view: FeatureView, moments: pl.Series, ingested: pl.Series | None, version: int | None, now: datetime
) -> Progress:
    """The progress of a view's table once these moments are computed from a version of its source.

    Args:
        moments: the computed moments, sorted.
        ingested: ends of the steps that the version of an ingested source holds; None for any other source.
        now: when the version was the newest.
    """
    if isinstance(view.source, FeatureView):
        below = read_progress(scope.environment.lake, lake_table(scope, view.source), version)
        known_until = min(now, below.known_until) if below is not None else now
        return Progress(known_until, complete_moments(view, moments, None, below))
    known_until = min(now, _known_until(view.source, ingested)) if ingested is not None else now
    return Progress(known_until, complete_moments(view, moments, ingested, None))


def _known_until(source: Source, ingested: pl.Series) -> datetime:
    """Until when what became known is in the steps that end then: up to the end of the next one of a live source.

    A late row of a live source counts as known at the end of its step, and from its ingestion on if that is later.
    """
    newest = ingested[-1] if len(ingested) else moment(source.start)
    return newest + duration(source.every) - _MICROSECOND if source.live else newest


def progress_of(
    scope: Scope, view: FeatureView, table: Table, rows: pl.LazyFrame, version: int | None, now: datetime
) -> Progress:
    """The progress of a version of a view's table. A table of an earlier release counts as complete.

    Args:
        rows: the table at the version.
    """
    noted = read_progress(scope.environment.lake, table, version)
    if noted is not None:
        return noted
    moments = rows.select(pl.col("event_time").unique().sort()).collect().to_series()
    return Progress(now.astimezone(UTC), spans_of(moments, span_of(view)[0]))
