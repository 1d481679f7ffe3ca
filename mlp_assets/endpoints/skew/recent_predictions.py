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
        rows: of the newest combinations of versions of the views, spread evenly over them.
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
    chosen = recent.join(
        of_model.lazy().select("model_version", "view_versions"), on=["model_version", "view_versions"], how="semi"
    )
    answered = int(of_model["rows"].sum())
    places = chosen.with_row_index("place").filter(pl.col("place") % -(-answered // ROWS) == 0)
    rows = places.drop("place").collect(engine="streaming")
    return RecentPredictions(listed["model_version"][0], _newest(of_model["view_versions"].to_list()), rows, answered)


def _newest(texts: list[str]) -> dict[str, int]:
    """View -> the first version that the texts name."""
    newest: dict[str, int] = {}
    for text in reversed(texts):
        newest |= {view: version for view, version in versions_of(text).items() if version is not None}
    return newest
