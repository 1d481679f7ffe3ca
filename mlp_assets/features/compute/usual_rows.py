"""Judges how many rows a feed brought, against what it brought before: a dead feed looks like a quiet day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

BEFORE, FEWEST = 28, 7  # four weeks, which hold each weekday alike; one week


@dataclass(frozen=True)
class FeedRows:
    """How many rows a partition brought, beside what those before it let expect.

    Args:
        low, high: the usual range, both ends included.
        before: how many partitions it was judged by.
    """

    partition: str
    rows: int
    low: int
    high: int
    before: int

    @property
    def unusual(self) -> bool:
        return not self.low <= self.rows <= self.high


def judged_rows(counts: Mapping[str, int], judged: Sequence[str]) -> Iterator[FeedRows]:
    """The judged partitions, oldest first, by the 28 partitions before each.

    A partition with fewer than 7 before it is left out.

    Args:
        counts: partition -> rows. Partitions without rows are there too, with 0.
    """
    names = sorted(counts)
    places = {name: place for place, name in enumerate(names)}
    for name in sorted(judged):
        before = [counts[other] for other in names[max(0, places[name] - BEFORE) : places[name]]]
        if len(before) >= FEWEST:
            yield FeedRows(name, counts[name], *usual_range(before), len(before))


def usual_range(before: Sequence[int]) -> tuple[int, int]:
    """The range that holds what is usual: Tukey's outer fences, and at least from half to twice the median.

    It begins at 1 if none of the numbers was 0.

    Args:
        before: at least two numbers of rows.
    """
    lower, _, upper = quantiles(before, n=4, method="inclusive")
    fence, middle = 3 * (upper - lower), median(before)
    low = max(0, int(min(lower - fence, middle / 2)))
    return max(low, 1) if min(before) > 0 else low, int(max(upper + fence, middle * 2))
