"""The rows of one part of a training set's split, read range by range from the files of its table."""

import threading
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.metrics.classes import Classes
from mlp_assets.tables.storage import open_delta, open_store

_SPLIT = "split"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RowGroup:
    """A row group of a file with rows of the part; ``mixed`` when it also has rows of other parts."""

    file: str
    number: int
    rows: int
    mixed: bool


@dataclass(frozen=True)
class PartRows:
    """Rows of a part (``train``, ``validation``, ``test``) at a version of a Delta table, in the table's order.

    Args:
        location: folder or address of the table.
        part: the value of the column ``split``.
        classes: of a multiclass model; its target is read as the position of the class.
    """

    location: str
    version: int
    part: str
    encoding: Encoding
    target: str
    classes: Classes = field(default_factory=Classes)

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:
        """The row groups with rows of the part, by the names of their files, which is the order of writing."""
        files = sorted(open_delta(self.location, self.version).file_uris())
        return tuple(group for file in files for group in self._groups_of(file))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each group, and at the end the number of all rows."""
        return np.cumsum([0, *(group.rows for group in self.groups)])

    @property
    def rows(self) -> int:
        return int(self.starts[-1])

    def read(self, first: int, end: int, x: Floats, y: Floats) -> None:
        """Fills ``x`` (rows, columns) and ``y`` (rows,) with the rows from ``first`` up to ``end``; NaN for missing.

        Raises:
            MlpError: a feature is not a number and has no encoder, or cannot be encoded.
        """
        touched = range(np.searchsorted(self.starts, first, "right") - 1, np.searchsorted(self.starts, end))
        place = 0
        for number in touched:
            start, stop = self.starts[number], self.starts[number + 1]
            low, high = max(first, start) - start, min(end, stop) - start
            columns = self._columns(self.groups[number])
            rows = slice(place, place := place + int(high - low))
            for name, columns_of in self.encoding.places.items():
                x[rows, columns_of] = columns[name][low:high]
            y[rows] = columns[self.target][low:high]

    def _columns(self, group: RowGroup) -> dict[str, Any]:
        needed = [*self.encoding.inputs, self.target, *([_SPLIT] if group.mixed else [])]
        table = _open(group.file).read_row_group(group.number, columns=needed)
        columns = {name: self._block(name, table[name]) for name in self.encoding.inputs}
        columns[self.target] = self._targets(table[self.target])
        if not group.mixed:
            return columns
        of_part = _equals(table[_SPLIT], self.part)
        return {name: values[of_part] for name, values in columns.items()}

    def _targets(self, column: Any) -> Any:
        if not len(self.classes):
            return self._numbers(self.target, column)
        return self.classes.truth(pl.Series(pl.from_arrow(column)))

    def _block(self, name: str, column: Any) -> Any:
        """The columns of an input, (rows, width)."""
        if name not in self.encoding.encoders:
            return self._numbers(name, column)[:, None]
        return self.encoding.block(name, pl.Series(pl.from_arrow(column)))

    def _numbers(self, name: str, column: Any) -> Any:
        import pyarrow as pa

        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise MlpError(
                f"Feature {name!r} is {column.type}, and a loader yields numbers. Leave it out with "
                f"features=[...] of run.loader, or write encode={{{name!r}: mlp.Categories()}} in the model."
            )
        return pl.Series(pl.from_arrow(column)).to_numpy()  # Arrow's own imports pandas, which takes half a second

    def _groups_of(self, file: str) -> list[RowGroup]:
        metadata = _open(file).metadata
        names = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
        groups = [
            self._group(file, metadata.row_group(n), n, names.index(_SPLIT)) for n in range(metadata.num_row_groups)
        ]
        return [group for group in groups if group.rows]

    def _group(self, file: str, metadata: Any, number: int, column: int) -> RowGroup:
        statistics = metadata.column(column).statistics
        if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
            return RowGroup(file, number, metadata.num_rows if statistics.min == self.part else 0, mixed=False)
        split = _open(file).read_row_group(number, columns=[_SPLIT])[_SPLIT]
        return RowGroup(file, number, int(_equals(split, self.part).sum()), mixed=True)


def _equals(column: Any, value: str) -> Any:
    return (pl.Series(pl.from_arrow(column)) == value).to_numpy()  # Arrow cannot compare string views


def _open(file: str) -> Any:
    return _opened(file, threading.get_ident())


@lru_cache(maxsize=256)
def _opened(file: str, thread: int) -> Any:
    """A reader for each thread: Arrow's is not safe to share ("ReadRangeCache did not find matching cache entry")."""
    from pyarrow import parquet as pq

    if "://" not in file:
        return pq.ParquetFile(file)
    store, path = open_store(file)
    return pq.ParquetFile(path, filesystem=store)
