"""Reads a table that may be larger than memory: a bounded number of rows at a time, in the table's order."""

from collections.abc import Iterator, Sequence

import polars as pl

_ROWS_MEASURED = 1000
_COLUMNS_AT_ONCE = 4


def row_bytes(table: pl.LazyFrame) -> int:
    """Bytes of a row in memory, at least 1, measured on the first 1,000 rows."""
    first = table.head(_ROWS_MEASURED).collect(engine="streaming")  # stops once it has them
    return max(1, int(first.estimated_size()) // max(1, first.height))


def batches(
    table: pl.LazyFrame, names: Sequence[str], most_rows: int, where: pl.Expr | None = None
) -> Iterator[pl.DataFrame]:
    """Batches of exactly ``most_rows`` rows, the last one smaller; one empty batch where there are no rows.

    Each slice of the table is a query of its own, and slices without rows to return are not read. Polars'
    ``collect_batches`` is no bound: it decoded 0.8 GB of a table of 120 columns ahead of a slow reader.

    Args:
        table: a scan without filters, so that a slice of it reads no other rows.
        names: columns.
        where: which rows.
    """
    held, none_yet = pl.DataFrame(schema=table.select(names).collect_schema()), True
    for number in _slices_with_rows(table, most_rows, where):
        rows = table.slice(number * most_rows, most_rows)
        rows = rows if where is None else rows.filter(where)
        held = pl.concat([held, rows.select(names).collect(engine="streaming")])
        while held.height >= most_rows:
            yield held.head(most_rows)
            held, none_yet = held.slice(most_rows), False
    if held.height or none_yet:
        yield held


def _slices_with_rows(table: pl.LazyFrame, size: int, where: pl.Expr | None) -> list[int]:
    if where is None:
        count = table.select(pl.len()).collect(engine="streaming").item()
        return list(range(-(-count // size)))
    kept = table.select(kept=where).with_row_index("row").filter("kept")
    return kept.select((pl.col("row") // size).unique().sort()).collect(engine="streaming")["row"].to_list()


def column_batches(rows: pl.LazyFrame, name: str, most_rows: int) -> Iterator[pl.Series]:
    """One column, a batch at a time, from any query. Polars decodes some of its morsels of 100,000 values ahead."""
    column = rows.select(name).collect_batches(chunk_size=most_rows, maintain_order=True, engine="streaming")
    return (batch.to_series() for batch in column if batch.height)


def column_groups(names: Sequence[str]) -> list[list[str]]:
    """The names in groups of four, for work that goes column by column and copies the columns it is given."""
    return [list(names[first : first + _COLUMNS_AT_ONCE]) for first in range(0, len(names), _COLUMNS_AT_ONCE)]
