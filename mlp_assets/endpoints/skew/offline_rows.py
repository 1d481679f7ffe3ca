"""What look-ups in a version of a view's publication should have given, computed from the view's table."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.errors import LakeError
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.online_reader import Read, usable_rows
from mlp_assets.features.table_progress import progress_of
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class OfflineView:
    """The publication of a version of a view's table.

    Args:
        view: with the features that were published.
        plan: how it is looked up. Features that the view does not have are missing.
        table: with its rows.
        asked_at: when the first of the look-ups was answered; only for tables of earlier releases.
    """

    scope: Scope
    view: FeatureView
    plan: ViewPlan
    table: Table
    version: int
    asked_at: datetime

    def read(self, asked: pl.DataFrame) -> tuple[Read, NDArray[np.int64]]:
        """The features of each row by its keys and ``at``; and the age in microseconds, negative for the future.

        The age of an entity without a row is the smallest integer.

        Raises:
            LakeError: the table or the version is gone, or lacks a feature.
        """
        keys = list(self.plan.keys)
        held = self._held(asked.select(keys).unique())
        held = held.with_columns(pl.col(key).cast(asked.schema[key]) for key in keys)
        joined = asked.select(*keys, "at").join(held, on=keys, how="left", maintain_order="left")
        times = joined["event_time"].dt.epoch("us").fill_null(0).to_numpy()
        now = joined["at"].dt.epoch("us").to_numpy()
        found = joined["event_time"].is_not_null().to_numpy()
        ttl = None if self.plan.ttl_seconds is None else self.plan.ttl_seconds * _MICROSECONDS
        read = usable_rows(self._values(joined), times, found, self.version, now, ttl)
        return read, np.where(found, now - times, np.iinfo(np.int64).min)

    @cached_property
    def everybody(self) -> pl.DataFrame:
        """All rows that the publication holds: keys, ``event_time`` and features."""
        return self._held(None)

    def _held(self, entities: pl.DataFrame | None) -> pl.DataFrame:
        """The rows of the entities, or of all."""
        rows = self.scope.environment.lake.scan(self.table, self.version)
        missing = [name for name in self.view.feature_names if name not in rows.collect_schema()]
        if missing:
            raise LakeError(f"{self.view.where}: version {self.version} of its table lacks {missing[0]!r}.")
        progress = progress_of(self.scope, self.view, self.table, rows, self.version, self.asked_at)
        until = max([progress.known_until, *(last for _, last in progress.spans)])
        return newest_rows(self.view, progress.publishable(self.view, rows), until, entities)

    def _values(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """(rows, features) as the online store holds them: NaN for missing."""
        given = (pl.col(name) if name in rows.columns else pl.lit(None).alias(name) for name in self.plan.features)
        numbers = rows.select(given).select(pl.all().cast(pl.Float64).fill_null(float("nan")))
        return np.array(numbers.to_numpy(), order="C")
