"""Decides which moments a run computes: those of its partitions, and earlier ones that changes of the source touch."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from mlp_assets.features.moments.held_moments import HeldMoments, joined, series
from mlp_assets.features.moments.late_changes import is_touched
from mlp_assets.nouns.cadence import DAY, Moments
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.source import Window
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.partitions import Windows, partitions_of
from mlp_assets.publications.progress import Progress, complete_moments, moments_of


@dataclass(frozen=True)
class PartitionMoments:
    """A partition to write.

    Args:
        compute: the moments to compute.
        keep: the moments whose rows stay as they are in the table.
    """

    name: str
    compute: tuple[datetime, ...]
    keep: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class MomentPlanner:
    """Plans a run of a view.

    A partition that has ended is computed whole. Of today's partition of a cadence that is shorter than a day, only the
    moments are computed that are new or touched, unless another definition computed the others.

    Args:
        held: the moments that the table holds.
        changed: the sorted times of the events that changed since; None if that cannot be told.
        ingested, below: of the source, as ``complete_moments`` takes them.
        now: later moments are left out of a partition with several.
        recompute: whether the moments that the table holds follow another definition, so that all are touched.
    """

    view: FeatureView
    held: HeldMoments
    changed: pl.Series | None
    ingested: pl.Series | None
    below: Progress | None
    now: datetime
    recompute: bool = False

    def of_run(self, windows: Windows) -> list[PartitionMoments]:
        """The partitions of the windows that the run was asked for."""
        return [self._partition(name, window, self._wanted(window)) for name, window in windows]

    def touched(self, candidates: Set[str]) -> list[PartitionMoments]:
        """Those of the candidates that hold a moment which changes touch, or for which a moment has become complete."""
        definition = partitions_of(self.view.root, self.view.every)
        unchanged = not self.recompute and (self.changed is None or not len(self.changed))
        if unchanged and not self._moments.shorter_than_a_day:
            return []
        touched: list[PartitionMoments] = []
        for name in sorted(name for name in candidates if definition.has_partition_key(name)):
            window = self._moments.named(name)
            held, wanted = self.held.within(window), self._overdue(window)
            if wanted or (not unchanged and any(map(self._is_touched, held))):
                touched.append(self._partition(name, window, sorted({*held, *wanted})))
        return touched

    def _is_touched(self, at: datetime) -> bool:
        changed = self.changed
        return self.recompute or (changed is not None and len(changed) > 0 and is_touched(self.view, changed, at))

    def _overdue(self, window: Window) -> list[datetime]:
        """The moments that a partition lacks, of a cadence with several: a run after them was missing, or the source's
        step around them was not ingested by then. Older partitions are left to a backfill.
        """
        recent = self.now - max(duration(self.view.source.every), DAY) - DAY
        if not self._moments.shorter_than_a_day or not recent <= window.end <= self.now:
            return []
        held = set(self.held.within(window))
        return [at for at in self._wanted(window) if at not in held]

    def held_after(self, parts: Sequence[PartitionMoments]) -> HeldMoments:
        """The moments that the table holds after a run that writes these partitions."""
        times = joined(self.held.times, series(sorted(at for part in parts for at in (*part.compute, *part.keep))))
        newest = [part.name for part in parts if self._in_progress(self._moments.named(part.name))]
        return HeldMoments(times, newest[-1], self._definition) if newest else replace(self.held, times=times)

    def first_changed(self, parts: Sequence[PartitionMoments]) -> datetime | None:
        """The first moment of which a run that writes these partitions may change a row; None if it keeps all rows."""
        held = [{*self.held.within(self._moments.named(part.name))}.difference(part.keep) for part in parts]
        return min((at for part, lost in zip(parts, held, strict=True) for at in {*part.compute, *lost}), default=None)

    def _in_progress(self, window: Window) -> bool:
        return self._moments.shorter_than_a_day and window.end > self.now

    @property
    def _moments(self) -> Moments:
        return Moments.of(self.view)

    @cached_property
    def _definition(self) -> str:
        return code_version(self.view, self.view.derive)

    def _partition(self, name: str, window: Window, wanted: Sequence[datetime]) -> PartitionMoments:
        held = set(self.held.within(window))
        computed_alike = (self.held.newest, self.held.definition) == (name, self._definition)
        if self.changed is None or not (self._in_progress(window) and computed_alike):
            return PartitionMoments(name, tuple(wanted))
        compute = [at for at in wanted if at not in held or self._is_touched(at)]
        return PartitionMoments(name, tuple(compute), tuple(sorted(held.difference(compute))))

    def _wanted(self, window: Window) -> list[datetime]:
        """The moments of a partition; if it has several, those until now for which the source is complete."""
        times = self._moments.within(window)
        if not self._moments.shorter_than_a_day:
            return times
        times = [at for at in times if at <= self.now]
        if self.ingested is None and self.below is None:
            return times
        spans = complete_moments(self.view, series(times), self.ingested, self.below)
        return moments_of(spans, self._moments.every).to_list()


def step_windows(rows: ViewInput, windows: Windows, now: datetime) -> Windows:
    """The parts of the windows that the moments of a view, or the steps of a source, read: whole steps, and none that
    ends after ``now`` if a partition holds several.
    """
    moments, parts = Moments.of(rows), list[tuple[str, Window]]()
    for name, window in windows:
        times = moments.within(window)
        if moments.shorter_than_a_day:
            times = [at for at in times if at <= now]
        if times:
            parts.append((name, Window(min(window.start, times[0] - moments.every), times[-1])))
    return parts
