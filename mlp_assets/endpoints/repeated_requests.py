"""Requests that their caller sent again under the same id: the log holds each prediction once."""

import polars as pl

from mlp_assets.endpoints.replica.request_identity import is_named
from mlp_resources.ports.lake import Lake, Table


def without_repeats(lake: Lake, log: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not in the log yet, each once, in their order.

    A request and its retry have the same ids and the same ``at``, or one of the same day, so they are in one partition.
    """
    named = rows.filter(is_named()).select("prediction_id", "partition")
    if named.is_empty():
        return rows
    rows = rows.unique("prediction_id", keep="first", maintain_order=True)
    if lake.version(log) is None:
        return rows
    logged = lake.scan(log).filter(pl.col("partition").is_in(named["partition"].unique().to_list()))
    logged = logged.select("prediction_id").join(named.lazy(), on="prediction_id", how="semi")
    return rows.join(logged.collect(engine="streaming"), on="prediction_id", how="anti", maintain_order="left")
