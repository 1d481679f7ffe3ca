"""The port of monitoring."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from mlp_assets.nouns.task import Task


class MonitoringEngine(Protocol):
    """Drift and estimated performance.

    ``reference`` and ``windows`` have the columns ``window`` and the features. The result has one row per window,
    feature and method, with the columns of ``metrics/window_figures.py``. Windows of fewer than ``minimum_rows`` rows
    are marked as not ``sufficient``.
    """

    def drift(
        self, reference: pl.LazyFrame, windows: pl.LazyFrame, *, features: Sequence[str], minimum_rows: int
    ) -> pl.DataFrame:
        """How far each feature is from the reference in each window."""
        ...

    def estimate(
        self,
        reference: pl.LazyFrame,
        windows: pl.LazyFrame,
        *,
        task: Task,
        target: str,
        features: Sequence[str],
        minimum_rows: int,
    ) -> pl.DataFrame:
        """The metric of each window, estimated before labels arrive.

        Both frames have ``prediction`` too (and ``probability`` for a multiclass model), ``reference`` the target.
        """
        ...
