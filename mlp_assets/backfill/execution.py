"""Executes the runs of a backfill one after the other, publishes the features, and says what became of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import dagster as dg

from mlp_assets.backfill.planned_runs import PlannedRun, plan_runs, upstream
from mlp_assets.backfill.running import process_tag, running_beside
from mlp_assets.backfill.work import AssetWork
from mlp_assets.orchestration.run_assets import AssetRun, run_assets

_POLL_SECONDS = 1.0


class Progress(Protocol):
    """Is told how a backfill goes on."""

    def plan(self, work: Sequence[AssetWork], runs: int) -> None: ...
    def wait(self, run: dg.DagsterRun) -> None: ...
    def begin(self, assets: Sequence[dg.AssetKey], partitions: Sequence[str]) -> None: ...
    def advance(self, asset: dg.AssetKey, partition: str | None) -> None: ...


@dataclass
class Summary:
    """What a backfill did.

    Args:
        runs: those that it executed, with their assets, in this order.
        failed: asset -> why partitions of it were not computed.
        published: the publications that were materialized.
        interrupted: whether it was stopped before its end.
        left_to: the jobs whose schedules compute today's partition, which is in progress.
    """

    work: tuple[AssetWork, ...]
    runs: list[tuple[PlannedRun, AssetRun]] = field(default_factory=list[tuple[PlannedRun, AssetRun]])
    failed: dict[dg.AssetKey, str] = field(default_factory=dict[dg.AssetKey, str])
    published: list[dg.AssetKey] = field(default_factory=list[dg.AssetKey])
    interrupted: bool = False
    seconds: float = 0.0
    left_to: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        return not self.failed and not self.interrupted

    def computed_of(self, work: AssetWork) -> int:
        """How many of the partitions that were to do were computed."""
        computed = {name for _, run in self.runs for key, name in run.materialized if key == work.key}
        return len(computed & set(work.todo))

    def skipped_of(self, work: AssetWork) -> int:
        """How many partitions were up to date, without those that late rows touched in a run."""
        computed = {name for _, run in self.runs for key, name in run.materialized if key == work.key}
        return len(set(work.current) - computed)

    def computed(self, key: dg.AssetKey) -> int:
        """How many different partitions of the asset were computed, those with late rows included."""
        return len({pair for _, run in self.runs for pair in run.materialized if pair[0] == key})


@dataclass(frozen=True)
class Execution:
    """A backfill at work.

    Args:
        job: one that has all the assets.
        publications: the publication of each view that is online.
    """

    job: dg.JobDefinition
    instance: dg.DagsterInstance
    publications: dict[dg.AssetKey, dg.AssetKey]
    progress: Progress

    def wait_for_others(self, assets: Sequence[dg.AssetKey]) -> None:
        """Returns when no run that has begun computes one of the assets."""
        told: set[str] = set()
        while (other := running_beside(self.instance, assets)) is not None:
            if other.run_id not in told:
                told.add(other.run_id)
                self.progress.wait(other)
            time.sleep(_POLL_SECONDS)

    def execute(self, work: Sequence[AssetWork], outdated: Sequence[dg.AssetKey]) -> Summary:
        """Runs what is to do. A run whose inputs failed is left out, and all other runs go on.

        Args:
            outdated: publications that are older than their view, whatever the backfill computes.
        """
        runs, summary, started = plan_runs(work), Summary(tuple(work)), time.perf_counter()
        touched = {asset for run in runs for asset in run.assets}
        publish = [online for view, online in self.publications.items() if view in touched or online in outdated]
        self.progress.plan(work, len(runs) + bool(publish))
        for run in [*runs, PlannedRun((), publish)]:
            self._execute(run, work, summary)
            if summary.interrupted:
                break
        summary.seconds = time.perf_counter() - started
        return summary

    def _execute(self, planned: PlannedRun, work: Sequence[AssetWork], summary: Summary) -> None:
        for asset in planned.assets:
            broken = self._inputs(asset, work) & summary.failed.keys()
            if broken:
                summary.failed[asset] = f"not run, because {min(broken).to_user_string()} failed"
        assets = [asset for asset in planned.assets if asset not in summary.failed]
        if not assets:
            return
        self.wait_for_others(assets)
        self.progress.begin(assets, planned.partitions)
        tags = planned.tags | process_tag()
        run = run_assets(self.job, self.instance, assets, tags, self.progress.advance)
        summary.runs.append((PlannedRun(planned.partitions, assets), run))
        summary.interrupted = run.interrupted
        computed = {asset for asset, _ in run.materialized}
        if not run.succeeded:
            summary.failed |= {asset: _reason(asset, run) for asset in assets if asset not in computed}
        online = set(self.publications.values())
        summary.published += [asset for asset in assets if asset in online & computed]

    def _inputs(self, asset: dg.AssetKey, work: Sequence[AssetWork]) -> set[dg.AssetKey]:
        views = {view for view, online in self.publications.items() if online == asset}
        return views | {key for view in (views or {asset}) for key in upstream(view, work)}


def _reason(asset: dg.AssetKey, run: AssetRun) -> str:
    if run.interrupted:
        return "interrupted"
    first = next(iter(run.failures), None)
    because = f"because {first.to_user_string()} failed" if first is not None else "and no step gives a reason"
    return run.failures.get(asset, f"not run, {because}")
