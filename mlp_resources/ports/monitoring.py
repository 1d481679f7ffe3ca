"""What monitoring takes and gives: plain frames."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from mlp_assets.nouns.task import Task


class MonitoringEngine(Protocol):
    """Drift and estimated performance. Frames with ``window``, features and ``prediction`` in, tidy rows out."""

    def drift(
        self, reference: pl.DataFrame, windows: pl.DataFrame, *, features: Sequence[str], minimum_rows: int
    ) -> pl.DataFrame: ...

    def estimate(
        self,
        reference: pl.DataFrame,
        windows: pl.DataFrame,
        *,
        task: Task,
        target: str,
        features: Sequence[str],
        minimum_rows: int,
    ) -> pl.DataFrame: ...
