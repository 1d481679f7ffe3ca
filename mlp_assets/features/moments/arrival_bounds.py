"""Decides which rows of an ingestion of a live source were known only by then, and stamps them with its time."""

from collections.abc import Mapping, Set
from datetime import datetime, timedelta

import polars as pl

from mlp_assets.features.moments.held_moments import series
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.arrivals import Arrival, stamp_arrivals
from mlp_assets.tables.events import UTC_TIME

_MICROSECOND = timedelta(microseconds=1)


class Arrivals:
    """Adds to a live source's rows the time of ingestion, if that bounds when they were known.

    Args:
        before: the partitions that were ingested before.
        held: the ends of the steps that were ingested before, sorted.
    """

    def __init__(self, scope: Scope, source: Source, before: Set[str], held: pl.Series) -> None:
        self._lake, self._table = scope.environment.lake, lake_table(scope, source)
        self._source, self._now, self._moments = source, scope.environment.now(), Moments.of(source)
        # As it was before the run: its first write creates the table.
        self._created: datetime | None = self._lake.created(self._table)
        self._before, self._held = before, held

    def stamp(self, fresh: Mapping[str, pl.DataFrame], windows: Mapping[str, Window]) -> dict[str, pl.DataFrame]:
        """The rows of each partition, with ``ingested_at`` and ``withdrawn_at``."""
        known = self._lake.partitions(self._table) & fresh.keys()
        stored = self._lake.scan(self._table) if known else pl.LazyFrame(schema={"partition": pl.String})
        stamped: dict[str, pl.DataFrame] = {}
        for partition, rows in fresh.items():
            before = stored.filter(pl.col("partition") == partition).drop("partition").collect()
            bounds = self._bounds(partition, windows[partition])
            stamped[partition] = stamp_arrivals(rows, before, Arrival(self._now, bounds))
        return stamped

    def _bounds(self, partition: str, window: Window) -> pl.Expr:
        """Whether a row became known in a step that was ingested before, or is overdue."""
        if not self._moments.shorter_than_a_day:
            return pl.lit(partition in self._before or self._is_overdue(window.end))
        ends = self._moments.within(window)
        overdue = series(end for end in ends if self._is_overdue(end))
        start, every = pl.lit(self._moments.start).cast(UTC_TIME), self._moments.every // _MICROSECOND
        steps = (self._source.known_expression() - start).dt.total_microseconds() // every + 1
        end = pl.min_horizontal(start + pl.duration(microseconds=steps * every), pl.lit(window.end).cast(UTC_TIME))
        return (end.is_in(self._held.implode()) | end.is_in(overdue.implode())).fill_null(value=False)

    def _is_overdue(self, end: datetime) -> bool:
        """Whether a step that ended then is ingested more than one step late."""
        return self._created is not None and self._created < end and self._now > end + self._moments.every
