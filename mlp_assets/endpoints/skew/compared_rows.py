"""Logged predictions beside the features that the offline path gives them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.replica.row_features import FeatureAssembler
from mlp_assets.endpoints.skew.offline_rows import OfflineView
from mlp_assets.features.online_reader import EXPIRED, UNKNOWN, Read

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ViewReads:
    """How some rows were read from a view, online and offline.

    Args:
        served, usable: (rows,) whether there was a usable row, by the log and by the offline path.
        age: (rows,) microseconds from the row's event time to ``at``; the smallest integer without a row.
    """

    offline: OfflineView
    served: Flags
    usable: Flags
    age: NDArray[np.int64]


@dataclass(frozen=True)
class ComparedRows:
    """Rows that read the same versions.

    Args:
        features: of the model, without the numbers that the request holds.
        asked: the rows of the log.
        logged, offline: (rows, features) with NaN for missing.
        views: of the model, by name.
    """

    features: tuple[str, ...]
    asked: pl.DataFrame
    logged: Matrix
    offline: Matrix
    views: Mapping[str, ViewReads]

    @property
    def versions(self) -> dict[str, int | None]:
        """View -> the logged version."""
        return versions_of(self.asked["view_versions"][0])

    @property
    def differ(self) -> Flags:
        """(rows, features) whether the bits differ; a missing value is like another."""
        return (self.logged.view(np.uint64) != self.offline.view(np.uint64)) & ~self.both_missing

    @property
    def both_missing(self) -> Flags:
        return np.isnan(self.logged) & np.isnan(self.offline)


def versions_of(text: str) -> dict[str, int | None]:
    """View -> the logged version, from the log's column ``view_versions``."""
    return json.loads(text)


def compare_rows(
    plan: ModelPlan, derived: Mapping[str, pl.Expr], offline: Mapping[str, OfflineView], asked: pl.DataFrame
) -> ComparedRows:
    """Looks the rows up in the publications that they read, as these should have been.

    The look-up is the endpoint's own code. Only the rows of the views come from their tables.

    Args:
        derived: the derived features of the model's training set.
        offline: view -> the publication that all rows read.
        asked: rows of the log.

    Raises:
        LakeError: a version is gone.
    """
    reads: dict[str, tuple[Read, NDArray[np.int64]]] = {name: each.read(asked) for name, each in offline.items()}
    columns = {name: asked[name].to_list() for name in plan.columns}
    assembler = FeatureAssembler(plan, derived)
    rows = assembler.rows({name: read for name, (read, _) in reads.items()}, columns, asked.height)
    features = tuple(name for name in plan.numbers if name not in plan.request)
    places = [plan.numbers.index(name) for name in features]
    return ComparedRows(
        features,
        asked,
        _matrix(asked, features),
        np.ascontiguousarray(rows.matrix[:, places]),
        {
            name: ViewReads(offline[name], _served(asked, name), ~np.isin(read.reasons, (UNKNOWN, EXPIRED)), age)
            for name, (read, age) in reads.items()
        },
    )


def _matrix(asked: pl.DataFrame, features: Sequence[str]) -> Matrix:
    if not features:
        return np.empty((asked.height, 0))
    return np.array(asked.select(pl.col(features).fill_null(float("nan"))).to_numpy(), order="C")


def _served(asked: pl.DataFrame, view: str) -> Flags:
    lacking = [pl.col(column).str.split(",").list.contains(view) for column in ("missing_views", "expired_views")]
    return ~asked.select(pl.any_horizontal(lacking)).to_series().to_numpy()
