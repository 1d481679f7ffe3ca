"""Reads a table that may be larger than memory: a bounded number of rows at a time, in the table's order."""

from collections.abc import Iterator

import polars as pl

_ROWS_MEASURED = 1000


def row_bytes(rows: pl.LazyFrame) -> int:
    """Bytes of a row in memory, at least 1, measured on the first 1,000 rows."""
    first = rows.head(_ROWS_MEASURED).collect()
    return max(1, int(first.estimated_size()) // max(1, first.height))


def batches(rows: pl.LazyFrame, most_rows: int) -> Iterator[pl.DataFrame]:
    """Batches of exactly ``most_rows`` rows, the last one smaller; a table without rows gives one empty batch.

    Beside the batch, Polars' streaming engine holds what it has decoded ahead: about ten row groups.
    """
    empty = True
    for batch in rows.collect_batches(chunk_size=most_rows, maintain_order=True, engine="streaming"):
        if batch.height:
            empty = False
            yield batch
    if empty:
        yield rows.collect_schema().to_frame()
