"""When a view's publications were later than declared, and which labels lie in such a time."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from mlp_assets.nouns.cadence import span_of
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.publications.visibility import Versions, read_history, recorded_visibility
from mlp_assets.tables.declared_visibility import declared_visibility, grid_of
from mlp_assets.tables.events import UTC_TIME
from mlp_resources.ports.environment import Environment


def outages(environment: Environment, project: Project, view: FeatureView, versions: Versions) -> pl.DataFrame:
    """The spans of time in which a moment should have been visible and was not: ``first``, ``until``; sorted.

    ``until`` is the end of the latest span that has begun by ``first``.
    """
    history = read_history(environment, project, view, versions)
    if not history:
        return pl.DataFrame(schema={"first": UTC_TIME, "until": UTC_TIME})
    now = environment.now()
    grid = grid_of(view, now)
    declared = declared_visibility(project, view, grid).by_moment
    recorded = recorded_visibility(grid, history).by_moment
    spans = pl.DataFrame({"first": declared, "until": recorded.fill_null(pl.lit(now).cast(UTC_TIME))})
    late = spans.filter(pl.col("first") >= history[0].begun, pl.col("until") > pl.col("first")).sort("first")
    return late.with_columns(pl.col("until").cum_max())


def count_touched(times: pl.Series, spans: Sequence[pl.DataFrame]) -> int:
    """How many of the times lie in an outage of any view."""
    counted = times.alias("at").value_counts(name="labels").sort("at").set_sorted("at")
    touched = [
        counted.join_asof(late.set_sorted("first"), left_on="at", right_on="first").select(
            pl.col("at") < pl.col("until").fill_null(pl.col("at"))
        )
        for late in spans
        if late.height
    ]
    if not touched:
        return 0
    inside = pl.concat([frame.rename({"at": str(place)}) for place, frame in enumerate(touched)], how="horizontal")
    return int(counted["labels"].filter(inside.select(pl.any_horizontal(pl.all())).to_series()).sum())


def count_at_moments(times: pl.Series, view: FeatureView) -> int:
    """How many of the times are exactly a moment of the view's cadence."""
    every, start, _ = span_of(view)
    since = (pl.lit(times) - pl.lit(start).cast(UTC_TIME)).dt.total_microseconds()
    return int(pl.select((since % (every // timedelta(microseconds=1)) == 0).sum()).item())
