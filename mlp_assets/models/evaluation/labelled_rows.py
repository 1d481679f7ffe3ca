"""Reads the labelled rows of one part of a training set, which may be larger than memory.

Held in memory:

- single columns that ``column`` was asked for: the target, keys, times, and columns that slices are cut by;
- a part that fits into one batch (32 MB), so that it is read once.

Everything else lives as long as its batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding, Matrix
from mlp_assets.metrics.metrics import Vector
from mlp_assets.tables.batches import batches, row_bytes

Positions = NDArray[np.int64]
Predict = Callable[[Matrix], Vector]  # (rows,), or (rows, classes) of a multiclass model
BATCH_BYTES = 32_000_000
# ONNX predicts so many rows at once. Batches of a multiple of it change none of its calls.
_MULTIPLE = 1024


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows of a part, in the order of their table. A position is the number of a row in this order, from 0.

    Args:
        table: a scan of the training set.
        where: which of its rows; None for all.
        batch_bytes: about so many bytes of rows, and of the matrix made of them, are in memory at a time.
    """

    table: pl.LazyFrame
    where: pl.Expr | None = None
    batch_bytes: int = BATCH_BYTES
    _held: dict[str, pl.Series] = field(default_factory=dict[str, pl.Series], repr=False)

    @classmethod
    def of_part(cls, training_set: pl.LazyFrame, part: str) -> "LabelledRows":
        """The rows whose column ``split`` is ``part``: ``train``, ``validation`` or ``test``."""
        return cls(training_set, pl.col("split") == part)

    @property
    def rows(self) -> pl.LazyFrame:
        """The query that reads the rows."""
        return self.table if self.where is None else self.table.filter(self.where)

    @cached_property
    def schema(self) -> pl.Schema:
        return self.table.collect_schema()

    @cached_property
    def height(self) -> int:
        return self.rows.select(pl.len()).collect(engine="streaming").item()

    @cached_property
    def _whole(self) -> pl.DataFrame | None:
        """All rows, where they fit into one batch."""
        return self.rows.collect() if self.height * row_bytes(self.table) <= self.batch_bytes else None

    def column(self, name: str) -> pl.Series:
        """A column of all rows. It stays in memory."""
        if name not in self._held:
            rows = self.rows.select(name).collect(engine="streaming") if self._whole is None else self._whole
            self._held[name] = rows[name]
        return self._held[name]

    def batches(self, names: Sequence[str], matrix_columns: int = 0) -> Iterator[pl.DataFrame]:
        """The columns of all rows, a batch at a time; one empty batch where there are no rows.

        Args:
            matrix_columns: columns of the float64 matrix that the caller makes of a batch.
        """
        most = self._rows_at_once(names, matrix_columns)
        if self._whole is None:
            yield from batches(self.table, names, most, self.where)
        else:
            yield from self._whole.select(names).iter_slices(most)

    def _rows_at_once(self, names: Sequence[str], matrix_columns: int) -> int:
        fitting = self.batch_bytes // (row_bytes(self.table.select(names)) + 8 * matrix_columns)
        return max(_MULTIPLE, fitting // _MULTIPLE * _MULTIPLE)

    def draw(self, most: int, seed: int) -> Positions:
        """Positions of all rows, or of ``most`` rows drawn by the seed."""
        positions = pl.int_range(self.height, eager=True)
        return (positions if self.height <= most else positions.sample(most, seed=seed)).to_numpy()

    def take(self, positions: Positions, names: Sequence[str]) -> pl.DataFrame:
        """The columns of the rows at the positions, in the order of the positions."""
        if self._whole is not None:
            return self._whole.select(names)[positions]
        order = np.argsort(positions, kind="stable")
        taken = pl.concat(self._taken(positions[order], names, 0))
        return taken[_inverse(order)]

    def predict(self, predict: Predict, encoding: Encoding, positions: Positions | None = None) -> Vector:
        """Predictions of all rows, or of those at the positions in this order: (rows,), or (rows, classes)."""
        names, width = list(encoding.inputs), len(encoding.columns)
        if positions is None:
            return np.concatenate([predict(encoding.matrix(batch)) for batch in self.batches(names, width)])
        if len(positions) <= self._rows_at_once(names, width):
            return predict(encoding.matrix(self.take(positions, names)))
        order = np.argsort(positions, kind="stable")
        taken = self._taken(positions[order], names, width)
        return np.concatenate([predict(encoding.matrix(batch)) for batch in taken])[_inverse(order)]

    def _taken(self, positions: Positions, names: Sequence[str], matrix_columns: int) -> Iterator[pl.DataFrame]:
        """The rows at rising positions, those of one batch at a time."""
        begin = 0
        for batch in self.batches(names, matrix_columns):
            first, last = np.searchsorted(positions, [begin, begin + batch.height])
            yield batch[positions[first:last] - begin]
            begin += batch.height


def _inverse(order: Positions) -> Positions:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse
