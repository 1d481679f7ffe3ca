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
