"""From a request's columns to the model's matrix: stored features by key, request columns, derived features."""

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.endpoints.replica.plan import TYPES, ServingPlan
from mlp_assets.features.online_reader import EXPIRED, PARTIAL, UNKNOWN, Read, ViewReader
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.expiry import microseconds
from mlp_resources.ports.serving import OnlineView

Matrix = NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]


class Looked(NamedTuple):
    """The numbers that the model is given for a request, and what was amiss with the rows they came from.

    ``matrix`` is (rows, the plan's numbers) float64 with NaN for missing, never infinite; ``reads`` maps a view's name
    to what was read of it, with a reason (rows,) for each row.
    """

    matrix: Matrix
    reads: Mapping[str, Read]

    @property
    def versions(self) -> dict[str, int]:
        return {name: read.version for name, read in self.reads.items()}

    @property
    def missing(self) -> dict[str, NDArray[np.bool_]]:
        """The rows (rows,) of which a view knows nothing."""
        return self._because(UNKNOWN)

    @property
    def expired(self) -> dict[str, NDArray[np.bool_]]:
        """The rows (rows,) that are past their TTL, or newer than the time asked for."""
        return self._because(EXPIRED)

    @property
    def partial(self) -> dict[str, NDArray[np.bool_]]:
        """The rows (rows,) of which a view has some features, not all."""
        return self._because(PARTIAL)

    @property
    def degraded(self) -> NDArray[np.bool_]:
        """The rows (rows,) that have no usable row of some view."""
        flags = [(read.reasons == UNKNOWN) | (read.reasons == EXPIRED) for read in self.reads.values()]
        return np.logical_or.reduce(flags) if flags else np.zeros(len(self.matrix), dtype=np.bool_)

    def _because(self, reason: int) -> dict[str, NDArray[np.bool_]]:
        return {name: read.reasons == reason for name, read in self.reads.items()}


class Lookup:
    """Compiled once for a plan; each call reads one snapshot of each view."""

    def __init__(self, plan: ServingPlan, views: Mapping[str, OnlineView]) -> None:
        self._plan = plan
        self._readers = [ViewReader(view, views[view.name]) for view in plan.views]
        self._stored = [name for view in plan.views for name in view.features]
        self._asked, self._others = plan.asked, [name for name in plan.request if name not in plan.asked]
        given = [*self._stored, *plan.asked]
        self._derived: dict[str, pl.Expr] = {}
        if plan.derive is not None:
            module, _, name = plan.derive.partition(":")
            self._derived = dict(getattr(importlib.import_module(module), name)())
        self._derives_from = _read_by(self._derived.values())
        places = [[*given, *self._derived].index(name) for name in plan.numbers]
        self._places = places if places != list(range(len(given) + len(self._derived))) else None

    def __call__(self, columns: Columns, at: datetime) -> Looked:
        now = microseconds(at)
        count = len(next(iter(columns.values())))
        if count == 1 and not self._derived:
            return self._one(columns, now)
        reads = [
            reader.many(list(zip(*(columns[key] for key in reader.keys), strict=True)), now) for reader in self._readers
        ]
        asked = [np.asarray(columns[name], dtype=np.float64)[:, None] for name in self._asked]
        blocks = [read.values for read in reads] + asked
        matrix = blocks[0] if len(blocks) == 1 else np.concatenate([np.empty((count, 0)), *blocks], axis=1)
        if self._derived:
            matrix = np.concatenate([matrix, self._derive(matrix, columns)], axis=1)
        if self._places is not None:
            matrix = matrix[:, self._places]
        finite = np.isfinite(matrix)
        if not finite.all():
            matrix[~finite] = np.nan
        return Looked(matrix, dict(zip((reader.name for reader in self._readers), reads, strict=True)))

    def _one(self, columns: Columns, now: int) -> Looked:
        """A single row without arrays: they cost more than the numbers."""
        row: list[float] = []
        reads: dict[str, Read] = {}
        for reader in self._readers:
            read = reads[reader.name] = reader.one(tuple([columns[key][0] for key in reader.keys]), now)
            row += read.values
        row += [float(columns[name][0]) for name in self._asked]
        if self._places is not None:
            row = [row[place] for place in self._places]
        if not math.isfinite(sum(row)):
            row = [value if math.isfinite(value) else math.nan for value in row]
        return Looked(np.array((row,)), reads)

    def _derive(self, matrix: Matrix, columns: Columns) -> Matrix:
        wanted = self._derives_from
        types = {**self._plan.keys, **{name: self._plan.request[name] for name in self._others}}
        keys = {name: pl.Series(values=columns[name], dtype=TYPES[kind]) for name, kind in types.items()}
        given = {name: matrix[:, place] for place, name in enumerate([*self._stored, *self._asked])}
        numbers = {name: values for name, values in given.items() if wanted is None or name in wanted}
        frame = with_derived(pl.DataFrame(keys | numbers), self._derived, numbers)
        derived = [frame[name].fill_null(float("nan")).to_numpy() for name in self._derived]
        return np.column_stack(derived) if derived else np.empty((len(matrix), 0))


def _read_by(expressions: Iterable[pl.Expr]) -> set[str] | None:
    """The columns that the expressions name, as a request makes no others; None where one has a pattern."""
    listed = list(expressions)
    if any(expression.meta.has_multiple_outputs() for expression in listed):
        return None
    return {name for expression in listed for name in expression.meta.root_names()}
