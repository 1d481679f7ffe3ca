"""From what was read of each view to the numbers that the model is given: one path for requests and batches."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.endpoints.replica.plan import TYPES, ModelPlan
from mlp_assets.features.online_reader import EXPIRED, PARTIAL, UNKNOWN, Read
from mlp_assets.tables.derived import with_derived

Matrix = NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]


class RowFeatures(NamedTuple):
    """The model's numbers for some rows, and what was read of each view.

    ``matrix`` is (rows, the plan's numbers) float64 with NaN for missing and never infinite. ``reads`` maps a view's
    name to its ``Read``, whose ``reasons`` (rows,) say why features are missing.
    """

    matrix: Matrix
    reads: Mapping[str, Read]

    @property
    def versions(self) -> dict[str, int]:
        """View -> the Delta version that its features come from."""
        return {name: read.version for name, read in self.reads.items()}

    @property
    def missing(self) -> dict[str, NDArray[np.bool_]]:
        """View -> (rows,) whether the view has no row of the entity."""
        return self._because(UNKNOWN)

    @property
    def expired(self) -> dict[str, NDArray[np.bool_]]:
        """View -> (rows,) whether the entity's row is past its TTL, or newer than the time asked for."""
        return self._because(EXPIRED)

    @property
    def partial(self) -> dict[str, NDArray[np.bool_]]:
        """View -> (rows,) whether the entity's row lacks some of the features."""
        return self._because(PARTIAL)

    @property
    def degraded(self) -> NDArray[np.bool_]:
        """(rows,) whether some view has no usable row."""
        flags = [(read.reasons == UNKNOWN) | (read.reasons == EXPIRED) for read in self.reads.values()]
        return np.logical_or.reduce(flags) if flags else np.zeros(len(self.matrix), dtype=np.bool_)

    def _because(self, reason: int) -> dict[str, NDArray[np.bool_]]:
        return {name: read.reasons == reason for name, read in self.reads.items()}


class FeatureAssembler:
    """Puts stored, request and derived features in the order in which the model takes them.

    Args:
        derived: feature name -> expression, as the plan's ``derive`` returns them.
    """

    def __init__(self, plan: ModelPlan, derived: Mapping[str, pl.Expr]) -> None:
        self._plan, self._derived = plan, dict(derived)
        self._stored = [name for view in plan.views for name in view.features]
        self._numbers = plan.request_numbers
        self._others = [name for name in plan.request if name not in self._numbers]
        given = [*self._stored, *self._numbers]
        self._read_by_derived = _columns_of(self._derived.values())
        places = [[*given, *self._derived].index(name) for name in plan.numbers]
        self._places = places if places != list(range(len(given) + len(self._derived))) else None

    @property
    def derives(self) -> bool:
        return bool(self._derived)

    def rows(self, reads: Mapping[str, Read], columns: Columns, count: int) -> RowFeatures:
        """The features of ``count`` rows.

        Args:
            reads: of each view of the plan, in its order.
            columns: the plan's keys and request columns, each of ``count`` values.
        """
        sent = [np.asarray(columns[name], dtype=np.float64)[:, None] for name in self._numbers]
        blocks = [read.values for read in reads.values()] + sent
        matrix = blocks[0] if len(blocks) == 1 else np.concatenate([np.empty((count, 0)), *blocks], axis=1)
        if self._derived:
            matrix = np.concatenate([matrix, self._derive(matrix, columns)], axis=1)
        if self._places is not None:
            matrix = matrix[:, self._places]
        finite = np.isfinite(matrix)
        if not finite.all():
            matrix[~finite] = np.nan
        return RowFeatures(matrix, reads)

    def single_row(self, reads: Mapping[str, Read], columns: Columns) -> RowFeatures:
        """The same for one row without derived features, without arrays: they cost more than the numbers."""
        row = [value for read in reads.values() for value in read.values]
        row += [float(columns[name][0]) for name in self._numbers]
        if self._places is not None:
            row = [row[place] for place in self._places]
        if not math.isfinite(sum(row)):
            row = [value if math.isfinite(value) else math.nan for value in row]
        return RowFeatures(np.array((row,)), reads)

    def _derive(self, matrix: Matrix, columns: Columns) -> Matrix:
        wanted = self._read_by_derived
        types = {**self._plan.keys, **{name: self._plan.request[name] for name in self._others}}
        keys = {name: pl.Series(values=columns[name], dtype=TYPES[kind]) for name, kind in types.items()}
        given = {name: matrix[:, place] for place, name in enumerate([*self._stored, *self._numbers])}
        numbers = {name: values for name, values in given.items() if wanted is None or name in wanted}
        frame = with_derived(pl.DataFrame(keys | numbers), self._derived, numbers)
        return np.column_stack([frame[name].fill_null(float("nan")).to_numpy() for name in self._derived])


def _columns_of(expressions: Iterable[pl.Expr]) -> set[str] | None:
    """The columns that the expressions name; None where one selects columns by a pattern."""
    listed = list(expressions)
    if any(expression.meta.has_multiple_outputs() for expression in listed):
        return None
    return {name for expression in listed for name in expression.meta.root_names()}
