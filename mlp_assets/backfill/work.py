"""Finds the partitions of a project that are missing or stale."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from mlp_assets.backfill.history import Computed, Versions
from mlp_assets.backfill.span import Span
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.partitions import Windows, windows_until


@dataclass(frozen=True)
class Records:
    """What is known of the assets.

    Args:
        history: asset -> its computed partitions; empty for an asset whose table is gone.
        versions: asset -> the code version of its present definition.
    """

    history: Callable[[dg.AssetKey], Mapping[str, Computed]]
    versions: Versions


@dataclass(frozen=True)
class AssetWork:
    """The partitions of an asset that lie in the range of a backfill.

    Args:
        grid: all partitions of the asset, oldest first. Assets with equal grids can be computed in one run.
        inputs: the assets that it reads.
        missing: never computed.
        stale: computed by another definition, or before an input was computed again.
        current: up to date.
    """

    key: dg.AssetKey
    spec: ViewInput
    grid: tuple[str, ...]
    inputs: tuple[dg.AssetKey, ...]
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    current: tuple[str, ...]

    @property
    def todo(self) -> tuple[str, ...]:
        return tuple(sorted((*self.missing, *self.stale)))


@dataclass(frozen=True)
class WorkFinder:
    """Compares the partitions of a project with the records.

    Args:
        now: partitions that end later are left out.
        again: whether current partitions count as stale.
    """

    project: Project
    span: Span
    now: datetime
    records: Records
    again: bool = False

    def find(self) -> list[AssetWork]:
        """The work of the project's ingested sources and views, inputs first."""
        found: dict[dg.AssetKey, AssetWork] = {}
        for spec in self.project.specs:
            if isinstance(spec, FeatureView) or (isinstance(spec, Source) and spec.ingested):
                work = self._work_of(spec, found)
                found[work.key] = work
        return list(found.values())

    def _work_of(self, spec: ViewInput, found: Mapping[dg.AssetKey, AssetWork]) -> AssetWork:
        key, inputs = self._key(spec), _partitioned_inputs(spec)
        computed, inside = self.records.history(key), self._inside(spec)
        renewed = {name for rows in inputs for name in self._renewed(rows, inside, computed, found)}
        if isinstance(spec, Source) and spec.live:
            renewed = set()  # reading it again would date its rows anew
        version = self.records.versions(key)

        def is_stale(name: str) -> bool:
            return self.again or computed[name].code_version != version or name in renewed

        names = [name for name, _ in inside]
        missing = tuple(name for name in names if name not in computed)
        stale = tuple(name for name in names if name in computed and is_stale(name))
        return AssetWork(
            key=key,
            spec=spec,
            grid=tuple(name for name, _ in self._grid(spec)),
            inputs=tuple(map(self._key, inputs)),
            missing=missing,
            stale=stale,
            current=tuple(name for name in names if name not in {*missing, *stale}),
        )

    def _key(self, spec: ViewInput) -> dg.AssetKey:
        return keys.view_input(self.project.home_of(spec).name, spec)

    def _grid(self, spec: ViewInput) -> Windows:
        return windows_until(spec.root, spec.every, self.now)

    def _inside(self, spec: ViewInput) -> Windows:
        bounds = self.span.within(self._grid(spec.root))
        if bounds is None:
            return []
        return [
            (n, window) for n, window in self._grid(spec) if bounds.start <= window.start and window.end <= bounds.end
        ]

    def _renewed(
        self,
        rows: ViewInput,
        inside: Windows,
        computed: Mapping[str, Computed],
        found: Mapping[dg.AssetKey, AssetWork],
    ) -> set[str]:
        """The computed partitions that an overlapping partition of the input is newer than, or is going to be."""
        key, grid = self._key(rows), self._grid(rows)
        todo, known = set(found[key].todo if key in found else ()), self.records.history(key)
        starts, ends = [window.start for _, window in grid], [window.end for _, window in grid]

        def is_older(name: str, window: Window) -> bool:
            overlapping = grid[bisect_right(ends, window.start) : bisect_left(starts, window.end)]
            orders = [known[other].order for other, _ in overlapping if other in known]
            return max(orders, default=0) > computed[name].order or any(other in todo for other, _ in overlapping)

        return {name for name, window in inside if name in computed and is_older(name, window)}


def _partitioned_inputs(spec: ViewInput) -> list[ViewInput]:
    inputs = [spec.source] if isinstance(spec, FeatureView) else list(spec.inputs)
    return [rows for rows in inputs if isinstance(rows, FeatureView) or rows.ingested]
