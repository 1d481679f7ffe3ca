"""Rows that requests can hold and validation rows may lack: missing values, infinities, new combinations of values."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding, FittedCategories, FittedStandardized, FittedVector
from mlp_assets.artifact.tokens import FittedTokens

Rows = NDArray[np.float32]
_MANY, _FEW, _FAR, _SIZED, _ALONE = 2000, 100, 64, 32, 4
_BLANK_SHARE, _SIZED_SHARE, _HALFWAY_SHARE = 0.3, 0.2, 0.3


@dataclass(frozen=True)
class ProbeRows:
    """Rows made of some given ones (rows, columns). The same rows give the same probes.

    Columns of categories and of tokens only hold numbers that their encoder gives, as in a request.
    """

    encoding: Encoding
    rows: Rows
    _draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    def blanked(self, kept: frozenset[str]) -> Rows:
        """(rows, columns) without some of their values; the first row lacks all of them.

        Args:
            kept: columns that are never blanked.
        """
        chosen, blank = self._chosen(self._count), self._draw.random((self._count, len(self.encoding.inputs)))
        blank[0] = 0.0
        for number, name in enumerate(self.encoding.inputs):
            self._blank(chosen, blank[:, number] < _BLANK_SHARE, name, kept)
        return chosen

    def without(self, column: str) -> Rows:
        """A few (rows, columns) in which a column is missing and, of a vector, all of its columns."""
        chosen = self._chosen(_ALONE)
        name = next(name for name, place in self.encoding.places.items() if column in self.encoding.columns[place])
        self._blank(chosen, np.ones(_ALONE, dtype=np.bool_), name, frozenset())
        return chosen

    def mixed(self) -> Rows:
        """(rows, columns) of values that occur and of those halfway between two of them, where trees split.

        Each input is drawn by itself. Categories are also unseen ones.
        """
        mixed = self._chosen(self._count)
        for name, place in self.encoding.places.items():
            mixed[:, place] = self._chosen(self._count)[:, place]
            encoder = self.encoding.encoders.get(name)
            if isinstance(encoder, FittedCategories):
                mixed[:, place] = self._draw.integers(0, len(encoder.values) + 1, (self._count, 1))
        for place in self._numbers():
            for column in range(place.start, place.stop):
                halfway = self._halfway(column)
                chosen = self._draw.random(self._count) < _HALFWAY_SHARE
                if len(halfway):
                    mixed[chosen, column] = self._draw.choice(halfway, int(chosen.sum()))
        return mixed

    def _halfway(self, column: int) -> NDArray[np.float32]:
        values = np.unique(self.rows[:, column])
        values = values[np.isfinite(values)].astype(np.float64)
        return ((values[1:] + values[:-1]) / 2).astype(np.float32)

    def far(self) -> Rows:
        """(rows, columns) of numbers a thousand times as large as those that occur, with both signs."""
        far = self._chosen(_FAR)
        for place in self._numbers():
            far[:, place] *= self._draw.choice(np.array([-1e3, 1e3], dtype=np.float32), far[:, place].shape)
        return far

    def of_size(self, size: float) -> Rows:
        """(rows, columns) with this number, of both signs, in some columns; the first row has nothing else."""
        rows = self._chosen(_SIZED)
        for place in self._numbers():
            drawn = self._draw.random(rows[:, place].shape)
            drawn[0] = 0.0
            signed = self._draw.choice(np.array([-size, size], dtype=np.float32), drawn.shape)
            rows[:, place] = np.where(drawn < _SIZED_SHARE, signed, rows[:, place])
        return rows

    @property
    def _count(self) -> int:
        """Many, because a stored form often differs near a threshold alone; few of texts, whose networks are slow."""
        return _FEW if any(isinstance(each, FittedTokens) for each in self.encoding.encoders.values()) else _MANY

    @property
    def largest(self) -> float:
        """The largest magnitude of a number that occurs."""
        return float(np.max(np.abs(self.rows[np.isfinite(self.rows)]), initial=1.0))

    @property
    def may_lack(self) -> list[str]:
        """The columns in which a value can be missing, one for each input."""
        return [self.encoding.columns[place.start] for place in self._numbers()]

    def _numbers(self) -> Iterator[slice]:
        for name, place in self.encoding.places.items():
            encoder = self.encoding.encoders.get(name)
            if encoder is None or isinstance(encoder, FittedStandardized | FittedVector):
                yield place

    def _chosen(self, count: int) -> Rows:
        """Rows drawn with replacement; rows of nothing but zeros where there are none."""
        if not len(self.rows):
            return np.zeros((count, len(self.encoding.columns)), dtype=np.float32)
        return self.rows[self._draw.integers(0, len(self.rows), count)]

    def _blank(self, rows: Rows, chosen: NDArray[np.bool_], name: str, kept: frozenset[str]) -> None:
        place = self.encoding.places[name]
        if not kept.isdisjoint(self.encoding.columns[place]):
            return
        encoder = self.encoding.encoders.get(name)
        blank = encoder.encode([None])[0] if encoder is not None else np.full(1, np.nan)
        rows[chosen, place] = blank.astype(np.float32)
