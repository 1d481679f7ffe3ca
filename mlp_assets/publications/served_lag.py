"""Checks a publication: whether its newest moment was online as early as declared."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.publications.progress import NO_SPANS, last_moment
from mlp_assets.publications.record import PublicationRecord
from mlp_assets.publications.visibility import history_rows
from mlp_assets.tables.declared_visibility import declared_visibility, grid_of
from mlp_resources.ports.environment import Environment


@dataclass(frozen=True)
class ServedLag:
    """How much later than declared the newest moment was online.

    Args:
        seconds: negative if it was earlier; None if nothing says: no new moment, or one from before the record.
    """

    seconds: float | None
    moment: datetime | None
    declared: datetime | None
    visible: datetime | None

    @property
    def late(self) -> bool:
        return self.seconds is not None and self.seconds > 0

    @property
    def facts(self) -> dict[str, Any]:
        if self.seconds is None:
            return {"lag_seconds": "not judged: no new moment since the record began"}
        return {
            "lag_seconds": self.seconds,
            "moment": str(self.moment),
            "declared": str(self.declared),
            "visible": str(self.visible),
        }


def served_lag(environment: Environment, project: Project, view: FeatureView) -> ServedLag:
    """The lag of the newest publication of a view of the project."""
    record = PublicationRecord(environment, project.home_of(view).name, view)
    history = history_rows(record, view)
    with_moments = history.filter(pl.col("visible").is_not_null(), pl.col("moments") != NO_SPANS)
    newest = with_moments.select("visible", moment=last_moment("moments"))
    if newest.is_empty() or newest["moment"][-1] in newest["moment"][:-1]:
        return ServedLag(None, None, None, None)
    visible, moment = newest.row(-1)
    grid = grid_of(view, moment)
    declared = declared_visibility(project, view, grid).by_moment[grid.index_of(moment)]
    if declared < history["begun"][0]:
        return ServedLag(None, moment, declared, visible)
    return ServedLag((visible - declared).total_seconds(), moment, declared, visible)
