"""The progress of a backfill, kept instead of printed."""

from collections.abc import Sequence

import dagster as dg

from mlp_assets.platform import AssetWork


class Silent:
    """Keeps what it is told of a backfill."""

    def __init__(self) -> None:
        self.waited_for: list[str] = []
        self.steps = 0

    def plan(self, work: Sequence[AssetWork], runs: int) -> None: ...

    def wait(self, run: dg.DagsterRun) -> None:
        self.waited_for.append(run.run_id)

    def begin(self, assets: Sequence[dg.AssetKey], partitions: Sequence[str]) -> None: ...

    def advance(self, asset: dg.AssetKey, partition: str | None) -> None:
        self.steps += 1
