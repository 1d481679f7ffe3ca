"""The size of a batch of rows for a given amount of memory."""

# About eight copies of a batch exist while it is joined, sorted, digested and written.
_COPIES = 8
_LARGEST, _SMALLEST = 320_000_000, 4_000_000


def batch_bytes(memory: int) -> int:
    """The largest batch, in bytes, that can be processed in ``memory`` bytes."""
    return max(_SMALLEST, min(_LARGEST, memory // _COPIES))
