"""Turns the work of a backfill into runs of Dagster, as few as the order of the assets allows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import dagster as dg

from mlp_assets.backfill.work import AssetWork
from mlp_assets.orchestration.partitions import range_tags


@dataclass
class PlannedRun:
    """A run that computes a contiguous range of partitions of some assets, inputs first.

    Args:
        partitions: the range, oldest first; empty for assets without partitions.
    """

    partitions: tuple[str, ...]
    assets: list[dg.AssetKey] = field(default_factory=list[dg.AssetKey])

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which Dagster runs a range of partitions."""
        if not self.partitions:
            return {}
        return range_tags(self.partitions)


@dataclass
class _Run(PlannedRun):
    """A run while the plan is made. ``grid`` is that of its assets."""

    grid: tuple[str, ...] = ()

    def is_read(self, inputs: set[dg.AssetKey], partitions: Sequence[str], grid: tuple[str, ...]) -> bool:
        """Whether the partitions of an asset with these inputs may read what the run computes."""
        ahead = self.grid == grid and self.partitions[0] > partitions[-1]
        return not ahead and not inputs.isdisjoint(self.assets)


def plan_runs(work: Sequence[AssetWork]) -> list[PlannedRun]:
    """One run for each range of partitions that assets of the same grid need, after the runs of what they read.

    A partition reads its input's partitions until its own end, not later ones. A run is not limited by memory: views
    are computed, and sources are written, in batches that fit.
    """
    runs: list[_Run] = []
    for each in work:
        inputs = upstream(each.key, work)
        for partitions in ranges(each.grid, set(each.todo)):
            places = [place for place, run in enumerate(runs) if run.is_read(inputs, partitions, each.grid)]
            later = runs[max(places, default=0) :]
            run = next((run for run in later if (run.partitions, run.grid) == (partitions, each.grid)), None)
            if run is None:
                run = _Run(partitions, grid=each.grid)
                runs.append(run)
            run.assets.append(each.key)
    return [PlannedRun(run.partitions, run.assets) for run in runs]


def upstream(key: dg.AssetKey, work: Sequence[AssetWork]) -> set[dg.AssetKey]:
    """Everything that the asset reads, directly or through others."""
    inputs = {each.key: each.inputs for each in work}
    waiting, known = [key], set[dg.AssetKey]()
    while waiting:
        more = set(inputs.get(waiting.pop(), ())) - known
        known |= more
        waiting += more
    return known


def ranges(grid: Sequence[str], todo: Collection[str]) -> list[tuple[str, ...]]:
    """The contiguous ranges of the partitions in the grid, oldest first."""
    parts: list[list[str]] = [[]]
    for name in grid:
        if name in todo:
            parts[-1].append(name)
        elif parts[-1]:
            parts.append([])
    return [tuple(part) for part in parts if part]
