"""The moments that a table holds: those of its partitions, or the ones that its last write noted.

A partition of a cadence that is shorter than a day holds several moments, and today's holds only the first of them.
So each write of such a table notes which moments are in it. An ingested source holds the ends of its steps likewise.
"""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.source import Window
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import moments_of, spans_from_text, spans_of, spans_to_text
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.expiry import microseconds

_NOTE = "held"


@dataclass(frozen=True)
class HeldMoments:
    """The moments that a table holds.

    Args:
        times: the moments, sorted.
        newest: the partition that was in progress at the last write of it; None where that was not noted.
        definition: the code version by which that partition was computed.
    """

    times: pl.Series
    newest: str | None = None
    definition: str | None = None

    def within(self, window: Window) -> list[datetime]:
        """Those after the start of a window, up to its end."""
        ends = [microseconds(time) for time in (window.start, window.end)]
        first, last = np.searchsorted(self._micros, ends, "right")  # Polars takes milliseconds to look up one value
        return self.times[int(first) : int(last)].to_list()

    @cached_property
    def _micros(self) -> NDArray[np.int64]:
        return self.times.to_physical().to_numpy()

    def with_steps(self, rows: ViewInput, windows: Sequence[Window]) -> "HeldMoments":
        """These moments and those of the windows."""
        more = series(sorted(at for window in windows for at in Moments.of(rows).within(window)))
        return replace(self, times=joined(self.times, more))

    def to_notes(self, rows: ViewInput) -> dict[str, str]:
        """The note to leave with a write; empty if the partitions tell."""
        every = Moments.of(rows).every
        if not Moments.of(rows).shorter_than_a_day:
            return {}
        facts = {
            "seconds": every.total_seconds(), "moments": spans_to_text(spans_of(self.times, every)),
            "newest": self.newest, "definition": self.definition,
        }  # fmt: skip
        return {_NOTE: json.dumps(facts)}


def held_moments(scope: Scope, rows: ViewInput, names: Set[str], version: int | None) -> HeldMoments:
    """The moments of a view's table, or the ends of the steps that a source has ingested.

    Args:
        names: the partitions that have rows, or that Dagster recorded as materialized.
        version: of the table.
    """
    moments = Moments.of(rows)
    if not moments.shorter_than_a_day:
        return HeldMoments(_whole_steps(rows, moments, names))
    note = scope.environment.lake.notes(lake_table(scope, rows), version).get(_NOTE) if version is not None else None
    facts = json.loads(note) if note is not None else {}
    if facts.get("seconds") == moments.every.total_seconds():
        times = moments_of(spans_from_text(facts["moments"]), moments.every)
        return HeldMoments(times, facts["newest"], facts["definition"])
    if isinstance(rows, FeatureView) or version is None:
        return HeldMoments(series([]))
    return HeldMoments(_whole_steps(rows, moments, names))  # it was ingested by whole partitions before


def incomplete_partitions(scope: Scope, rows: ViewInput, names: Set[str]) -> set[str]:
    """Those of the partitions that lack a moment; none of a cadence whose partitions have one."""
    moments = Moments.of(rows)
    if not moments.shorter_than_a_day:
        return set()
    held = held_moments(scope, rows, names, scope.environment.lake.version(lake_table(scope, rows))).times
    days = held.dt.offset_by("-1us").dt.strftime("%Y-%m-%d").value_counts(name="moments")
    whole = days.filter(pl.col("moments") == moments.partition // moments.every)[held.name]
    return set(names) - set(whole)


def _whole_steps(rows: ViewInput, moments: Moments, names: Set[str]) -> pl.Series:
    """The moments of which the table has all partitions."""
    times = {at for name in names for at in moments.within(moments.named(name))}
    return series(sorted(at for at in times if names >= set(moments.names(rows, at))))


def joined(times: pl.Series, more: pl.Series) -> pl.Series:
    """The moments of both, sorted."""
    return pl.concat([times, more]).unique().sort()


def series(times: Iterable[datetime]) -> pl.Series:
    """Moments as a column."""
    return pl.Series("moment", list(times), dtype=UTC_TIME)
