"""A view's feature rows as its online publication would hold them at each row's own time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.online_reader import Read, usable_rows
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.tables.standing_rows import UNTIL, are_standing, written_out
from mlp_assets.tables.visibility import AS_KNOWN

AT = "at"
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class PublishedRows:
    """A version of a view's table, and when each of its moments became visible.

    Args:
        rows: keys, ``event_time``, ``known_at`` and features.
        moments: ``visible_at``, sorted, and ``newest``: the newest event time of any row by then.
        visible: when a row is visible.
        every: the cadence of the view.
    """

    plan: ViewPlan
    rows: pl.LazyFrame
    version: int
    moments: pl.DataFrame
    visible: pl.Expr
    every: timedelta

    @classmethod
    def of(cls, view: FeatureView, rows: pl.LazyFrame, version: int, visible: pl.Expr = AS_KNOWN) -> "PublishedRows":
        """The rows of a view's table, of which each is visible from a time on; null for never."""
        every = duration(view.every)
        times = rows.select("event_time", "known_at", *([UNTIL] if are_standing(rows) else [])).unique()
        known = written_out(times, every).group_by("event_time").agg(pl.col("known_at").min())
        moments = known.select(visible_at=visible, newest="event_time").drop_nulls("visible_at")
        ordered = moments.sort("visible_at", "newest").with_columns(pl.col("newest").cum_max())
        plan = ViewPlan.of(view, "")
        return cls(plan, rows, version, ordered.collect(engine="streaming"), visible, every)

    def between(self, first: datetime, last: datetime) -> "PublishedRows":
        """Without the rows that nothing asked from ``first`` to ``last`` can see."""
        rows = self.rows.filter(pl.col("event_time") <= last)
        newest = self.moments.filter(pl.col("visible_at") <= first)["newest"].max()
        if self.plan.ttl_seconds is not None and newest is not None:
            stands = UNTIL if are_standing(rows) else "event_time"
            rows = rows.filter(pl.col(stands) >= pl.lit(newest) - pl.duration(seconds=self.plan.ttl_seconds))
        return replace(self, rows=rows)

    @property
    def table(self) -> FeatureTable:
        """What the join takes, with the event time beside the features; ``read`` applies the TTL."""
        every = self.every if are_standing(self.rows) else None
        return FeatureTable(self.rows, self.plan.keys, self.plan.features, None, self.visible, every, self._time)

    def read(self, joined: pl.DataFrame) -> Read:
        """What a look-up at each row's time would have read, of rows that were joined with ``table``.

        A publication holds rows up to a TTL older than the view's newest moment, and none without any feature: an
        entity without such a row is unknown, not expired.
        """
        features = joined.select(pl.col(self.plan.features).cast(pl.Float64))
        values = np.array(features.fill_null(float("nan")).to_numpy(), order="C")
        ttl = None if self.plan.ttl_seconds is None else self.plan.ttl_seconds * _MICROSECONDS
        times, now = _microseconds(joined[self._time]), _microseconds(joined[AT])
        held = features.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        found = joined[self._time].is_not_null().to_numpy() & held
        if ttl is not None:
            found &= times >= self._newest(joined[AT]) - ttl
        return usable_rows(values, times, found, self.version, now, ttl)

    def _newest(self, at: pl.Series) -> NDArray[np.int64]:
        """(rows,) the newest moment of the view that was visible at each time, which is sorted."""
        asked = pl.DataFrame({AT: at})
        newest = asked.join_asof(self.moments, left_on=AT, right_on="visible_at", check_sortedness=False)
        return _microseconds(newest["newest"])

    @property
    def _time(self) -> str:
        return f"__event_time_of_{self.plan.name}"


def _microseconds(times: pl.Series) -> NDArray[np.int64]:
    """(rows,) microseconds since 1970; 0 for null."""
    return times.dt.epoch("us").fill_null(0).to_numpy()
