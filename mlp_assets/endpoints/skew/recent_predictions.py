"""A bounded sample of the newest rows of a prediction log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from mlp_assets.endpoints.skew.compared_rows import versions_of
from mlp_assets.endpoints.skew.skew_check import ROWS, VERSIONS
from mlp_resources.ports.lake import Lake, Table

RECENT: Final = timedelta(days=1)
"""How far the sample reaches back from the newest row."""


@dataclass(frozen=True)
class RecentPredictions:
    """Rows of the model version that answered last.

    Args:
        newest: view -> the newest version that was read.
        rows: of the newest combinations of versions of the views; half are of the newest one, if it has so many.
        answered: the number of rows that they were drawn from.
    """

    model_version: str
    newest: Mapping[str, int]
    rows: pl.DataFrame
    answered: int


def recent_predictions(lake: Lake, table: Table) -> RecentPredictions | None:
    """The sample; None if nothing was logged yet."""
    version = lake.version(table)
    if version is None:
        return None
    log = lake.scan(table, version)
    last = log.select(pl.col("requested_at").max()).collect(engine="streaming").item()
    if last is None:
        return None
    recent = log.filter(pl.col("requested_at") > last - RECENT)
    groups = recent.group_by("model_version", "view_versions").agg(pl.col("requested_at").max(), rows=pl.len())
    listed = groups.collect(engine="streaming").sort("requested_at", "view_versions", descending=True)
    of_model = listed.filter(pl.col("model_version") == listed["model_version"][0])[:VERSIONS]
    frames = [_sample(recent, groups, ROWS // 2) for groups in (of_model[:1], of_model[1:]) if groups.height]
    newest = _newest(of_model["view_versions"].to_list())
    return RecentPredictions(listed["model_version"][0], newest, pl.concat(frames), int(of_model["rows"].sum()))


def _sample(log: pl.LazyFrame, groups: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows of these combinations of a model version and versions of the views."""
    by = ["model_version", "view_versions"]
    step = -(-int(groups["rows"].sum()) // most)
    rows = log.join(groups.lazy().select(by), on=by, how="semi").with_row_index("place")
    return rows.filter(pl.col("place") % step == 0).drop("place").collect(engine="streaming")


def _newest(texts: list[str]) -> dict[str, int]:
    """View -> the first version that the texts name."""
    newest: dict[str, int] = {}
    for text in reversed(texts):
        newest |= {view: version for view, version in versions_of(text).items() if version is not None}
    return newest
