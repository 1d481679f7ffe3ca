"""How many bytes of rows may be worked on at a time in a given amount of memory."""

# A batch is held about eight times while it is joined, sorted, digested and written.
_COPIES = 8
_LARGEST, _SMALLEST = 320_000_000, 4_000_000


def batch_bytes(memory: int) -> int:
    """The most bytes of rows that one batch may hold, of ``memory`` bytes."""
    return max(_SMALLEST, min(_LARGEST, memory // _COPIES))
