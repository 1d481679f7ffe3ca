"""Writes out ranges of integers."""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def write_out(first: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Each integer of the ranges from ``first`` on, in order, with the index of its range.

    Args:
        first: (ranges,) where each range begins.
        counts: (ranges,) how many integers each range has.

    Returns:
        (integers,) indexes of ranges, and (integers,) integers.
    """
    before = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) + (first - before)[owner]


def pieces(
    first: Integers, last: Integers, span_first: Integers, span_last: Integers
) -> tuple[Integers, Integers, Integers]:
    """The pieces of ranges that lie in spans; both ends of a range and of a span belong to it.

    Args:
        first, last: (ranges,) the ends of each range.
        span_first, span_last: (spans,) the ends of spans that do not overlap, in order.

    Returns:
        (pieces,) indexes of ranges, and (pieces,) the first and (pieces,) the last integer of each piece, in the order
        of the ranges and spans.
    """
    lowest = np.searchsorted(span_last, first)
    stop = np.searchsorted(span_first, last, "right")
    owner, span = write_out(lowest, np.maximum(stop - lowest, 0))
    return owner, np.maximum(first[owner], span_first[span]), np.minimum(last[owner], span_last[span])
