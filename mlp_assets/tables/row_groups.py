"""The size of a Parquet row group: the rows that are written, read and shuffled together."""

_BYTES, _VALUE = 32_000_000, 8
_FEWEST, _MOST = 1 << 10, 1 << 18


def rows_together(columns: int) -> int:
    """Rows of a row group: a power of two, at most about 32 MB. It depends on the number of columns only.

    Small enough for a reader that shuffles row groups to hold several, and for one that wants few rows to read little.
    """
    wanted = _BYTES // (_VALUE * max(1, columns))
    return min(_MOST, max(_FEWEST, 1 << (wanted.bit_length() - 1)))
