"""How many rows of a table lie together in a file: what is written, read and shuffled at once."""

_BYTES, _VALUE = 32_000_000, 8
_FEWEST, _MOST = 1 << 10, 1 << 18


def rows_together(columns: int) -> int:
    """Rows of a row group: a power of two, of about 32 MB at most; it depends on the number of columns alone.

    A reader that takes row groups in any order holds few of them, and one that wants a few rows reads little else.
    """
    wanted = _BYTES // (_VALUE * max(1, columns))
    return min(_MOST, max(_FEWEST, 1 << (wanted.bit_length() - 1)))
