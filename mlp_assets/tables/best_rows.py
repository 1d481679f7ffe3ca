"""The newest visible rows of each key, in the order in which they become visible."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.tables.visibility import AS_KNOWN


def best_when_visible(rows: pl.LazyFrame, keys: Sequence[str], visible: pl.Expr = AS_KNOWN) -> pl.LazyFrame:
    """The rows that were once the newest visible row of their key, with ``visible_at``; sorted by key and by it.

    In order of visibility, a row is kept if no row of the key that was visible before it is newer: of a later event
    time, or of the same one and known later. So a late row for an old moment hides nothing, and a recomputed row
    replaces its predecessor when it becomes visible itself.

    Args:
        visible: when a row is visible; by default when it has happened and is known.
    """
    order = [*keys, "visible_at", "event_time", "known_at"]
    seen = rows.with_columns(visible_at=visible).filter(pl.col("visible_at").is_not_null())
    ordered = seen.sort(order, maintain_order=True)
    newest = pl.col("event_time").cum_max().over(list(keys))
    return ordered.filter(pl.col("event_time") >= newest)


def best_rows(rows: pl.DataFrame, key: str, visible: pl.Expr) -> pl.DataFrame:
    """Like ``best_when_visible`` by one key, but only guaranteed to be sorted by ``visible_at`` within each key.

    If every row was known when it happened, and no moment was visible before an earlier one, visibility follows event
    time, so all rows are kept.
    """
    if rows.select((pl.col("known_at") == pl.col("event_time")).all()).item():
        ordered = rows.sort("event_time", maintain_order=True).with_columns(visible_at=visible)
        ordered = ordered.drop_nulls("visible_at")
        if ordered["visible_at"].is_sorted():
            return ordered
    return best_when_visible(rows.lazy(), [key], visible).collect()
