"""From a request's columns to the model's matrix: stored features by key, request columns, derived features."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.engine.derived import with_derived
from mlp_assets.serving.plan import TYPES, ServingPlan, ViewPlan


class View(Protocol):
    """A view of the online store."""

    features: tuple[str, ...]

    def get_many(self, keys: Sequence[tuple[Any, ...]]) -> Any: ...


@dataclass(frozen=True)
class Looked:
    """The model's inputs of a request, and what was not found.

    ``matrix`` is (rows, inputs) float64 with NaN for missing, never infinite; ``missing`` and ``expired`` map a
    view's name to the rows (rows,) for which it had no row, or only one beyond its TTL.
    """

    matrix: NDArray[np.float64]
    missing: Mapping[str, NDArray[np.bool_]]
    expired: Mapping[str, NDArray[np.bool_]]
    versions: Mapping[str, int]

    @property
    def degraded(self) -> NDArray[np.bool_]:
        flags = [*self.missing.values(), *self.expired.values()]
        return np.logical_or.reduce(flags) if flags else np.zeros(len(self.matrix), dtype=np.bool_)


class Lookup:
    """Compiled once for a plan; each call reads one snapshot of each view."""

    def __init__(self, plan: ServingPlan, views: Mapping[str, View]) -> None:
        self._plan = plan
        self._views = views
        self._derived: dict[str, pl.Expr] = {}
        if plan.derive is not None:
            module, _, name = plan.derive.partition(":")
            self._derived = dict(getattr(importlib.import_module(module), name)())

    def __call__(self, columns: Mapping[str, list[Any]], at: datetime) -> Looked:
        count = len(next(iter(columns.values())))
        now = int(at.timestamp() * 1_000_000)
        known: dict[str, NDArray[np.float64]] = {}
        missing: dict[str, NDArray[np.bool_]] = {}
        expired: dict[str, NDArray[np.bool_]] = {}
        versions: dict[str, int] = {}
        for view in self._plan.views:
            keys = list(zip(*(columns[key] for key in view.keys), strict=True))
            values, times, found, versions[view.name] = self._views[view.name].get_many(keys)
            late = _expired(view, times, found, now)
            values[late] = np.nan
            missing[view.name], expired[view.name] = ~found, late
            known |= {name: values[:, place] for place, name in enumerate(view.features)}
        for name in self._plan.request:
            known[name] = np.asarray(columns[name], dtype=np.float64)
        if self._derived:
            known |= self._derive(known, columns)
        matrix = np.column_stack([known[name] for name in self._plan.inputs]) if count else np.empty((0, 0))
        matrix[~np.isfinite(matrix)] = np.nan
        return Looked(matrix, missing, expired, versions)

    def _derive(
        self, known: Mapping[str, NDArray[np.float64]], columns: Mapping[str, list[Any]]
    ) -> dict[str, NDArray[np.float64]]:
        keys = {key: pl.Series(columns[key], dtype=TYPES[kind]) for key, kind in self._plan.keys.items()}
        frame = with_derived(pl.DataFrame(keys | dict(known)), self._derived, known)
        return {name: frame[name].fill_null(float("nan")).to_numpy() for name in self._derived}


def _expired(view: ViewPlan, times: NDArray[np.int64], found: NDArray[np.bool_], now: int) -> NDArray[np.bool_]:
    """As offline: a row older than the TTL, or newer than the request's own time, is not used."""
    if view.ttl_seconds is None:
        return found & (times > now)
    return found & ((now - times > view.ttl_seconds * 1_000_000) | (times > now))
