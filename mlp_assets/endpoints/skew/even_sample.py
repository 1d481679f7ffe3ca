"""A bounded sample of the rows of many frames, spread evenly over all of them."""

from collections.abc import Iterator

import polars as pl


class EvenSample:
    """Keeps every n-th row of the frames that are added, and doubles n whenever there are too many.

    Args:
        most: the largest number of rows to keep. At least half as many are kept if so many were added.
    """

    def __init__(self, most: int) -> None:
        self._most, self._step, self.seen = most, 1, 0
        self._frames: list[pl.DataFrame] = []

    @property
    def rows(self) -> int:
        return sum(frame.height for frame in self._frames)

    def add(self, frame: pl.DataFrame) -> None:
        self._frames.append(frame.gather_every(self._step, -self.seen % self._step))
        self.seen += frame.height
        while self.rows > self._most:
            self._step *= 2
            self._frames = list(_every_second(self._frames))

    def frames(self) -> list[pl.DataFrame]:
        """The rows that were kept, as a frame for each schema: another model may have other columns."""
        by_schema: dict[str, list[pl.DataFrame]] = {}
        for frame in self._frames:
            by_schema.setdefault(str(frame.schema), []).append(frame)
        merged = [pl.concat(frames) for frames in by_schema.values()]
        return [frame for frame in merged if frame.height]


def _every_second(frames: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    place = 0
    for frame in frames:
        yield frame.gather_every(2, place % 2)
        place += frame.height
