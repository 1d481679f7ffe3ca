"""Which rows of a training set should have had the features of a moment that was never computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mlp_assets.features.history.holes import Holes, Materialized, find_holes
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.tables.declared_visibility import grid_of


@dataclass(frozen=True)
class RowsOverHoles:
    """The holes of the views that a training set reads.

    Args:
        rows: how many rows have the features of an earlier moment of some view, or none, because of them.
        holes: of each view that has any.
    """

    rows: int
    holes: tuple[Holes, ...]

    def describe(self, project: str) -> str | None:
        """What is missing and what to do; None if nothing is."""
        if not self.holes:
            return None
        rows = f"{self.rows} rows lack the features of their time. " if self.rows else ""
        return rows + " ".join(holes.describe(project) for holes in self.holes)


def rows_over_holes(
    scope: Scope,
    views: Sequence[FeatureView],
    tables: Sequence[FeatureTable],
    times: pl.Series,
    materialized: Materialized,
) -> RowsOverHoles:
    """The holes of each view at the moments that the rows should see by the visibility of its table.

    Args:
        times: of the rows, sorted.
    """
    touched, found = pl.repeat(value=False, n=len(times), eager=True), list[Holes]()
    for view, table in zip(views, tables, strict=True):
        wanted = moments_wanted(scope, view, table, times)
        holes = find_holes(scope, view, wanted.drop_nulls().unique().sort(), materialized)
        touched = touched | wanted.is_in(holes.moments.implode()).fill_null(value=False)
        found += [holes] if holes else []
    return RowsOverHoles(int(touched.sum()), tuple(found))


def moments_wanted(scope: Scope, view: FeatureView, table: FeatureTable, times: pl.Series) -> pl.Series:
    """For each of the sorted times, the newest moment that should be visible; null for none."""
    moments = grid_of(view, scope.environment.now()).moments()
    visible = pl.DataFrame({"event_time": moments, "known_at": moments}).with_columns(visible_at=table.visible)
    newest = visible.drop_nulls("visible_at").sort("visible_at").with_columns(pl.col("event_time").cum_max())
    asked = pl.DataFrame({"at": times}).set_sorted("at")
    return asked.join_asof(newest, left_on="at", right_on="visible_at")["event_time"]
