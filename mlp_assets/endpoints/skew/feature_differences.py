"""How often and by how much each feature of the log differs from the offline path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from mlp_assets.endpoints.skew.causes import OTHER_VALUES, cause_of
from mlp_assets.endpoints.skew.compared_rows import ComparedRows
from mlp_assets.nouns.feature_view import FeatureView


@dataclass(frozen=True)
class FeatureDifferences:
    """One feature in all compared rows.

    Args:
        largest: the largest absolute difference where both values are present; None without such a row.
        entity, at, logged, offline: the first row that differs; None where no row does. Missing values are None.
        cause: likely cause; empty where no row differs.
    """

    feature: str
    view: str
    rows: int
    differing: int
    largest: float | None = None
    entity: str | None = None
    at: datetime | None = None
    logged: float | None = None
    offline: float | None = None
    cause: str = ""

    @property
    def share(self) -> float:
        return self.differing / self.rows if self.rows else 0.0


DERIVED = "derived"
"""Stands for the view of features that the training set derives."""


def count_differences(
    groups: Sequence[ComparedRows],
    views: Sequence[FeatureView],
    derived: Mapping[str, pl.Expr],
    keys: Sequence[str],
    newest: Mapping[str, int] | None = None,
) -> list[FeatureDifferences]:
    """The differences of each feature, in the order in which the model takes them.

    Args:
        derived: features that the training set derives.
        newest: view -> version. A feature is judged on the rows that read these versions of its views; by default, on
            all rows.
    """
    if not groups:
        return []
    owner = {name: view for view in views for name in view.feature_names}
    features = groups[0].features
    judged = {name: _that_read(groups, _views_of(name, owner, derived), newest or {}) for name in features}
    differing = {
        name: sum(int(group.differ[:, place].sum()) for group in judged[name]) for place, name in enumerate(features)
    }
    found: list[FeatureDifferences] = []
    for place, name in enumerate(features):
        rows = sum(group.asked.height for group in judged[name])
        view = owner[name].name if name in owner else DERIVED
        if not differing[name]:
            found.append(FeatureDifferences(name, view, rows, 0))
            continue
        cause = cause_of(owner[name], judged[name], name) if name in owner else _inherited(derived, name, differing)
        largest, first = _largest(judged[name], place), _first(judged[name], place, keys)
        found.append(FeatureDifferences(name, view, rows, differing[name], largest, **first, cause=cause))
    return found


def _views_of(name: str, owner: Mapping[str, FeatureView], derived: Mapping[str, pl.Expr]) -> set[str]:
    """The views that a feature is read from."""
    if name not in derived:
        return {owner[name].name} if name in owner else set()
    return set[str]().union(
        *(_views_of(root, owner, derived) for root in derived[name].meta.root_names() if root != name)
    )


def _that_read(groups: Sequence[ComparedRows], views: set[str], newest: Mapping[str, int]) -> list[ComparedRows]:
    return [
        group
        for group in groups
        if all(group.versions[view] == newest.get(view, group.versions[view]) for view in views)
    ]


def _inherited(derived: Mapping[str, pl.Expr], name: str, differing: Mapping[str, int]) -> str:
    roots = [root for root in derived[name].meta.root_names() if differing.get(root)] if name in derived else []
    return f"follows from {', '.join(roots)}" if roots else OTHER_VALUES


def _largest(groups: Sequence[ComparedRows], place: int) -> float | None:
    distances = np.concatenate([np.abs(group.logged[:, place] - group.offline[:, place]) for group in groups])
    present = distances[~np.isnan(distances)]
    return float(present.max()) if present.size else None


def _first(groups: Sequence[ComparedRows], place: int, keys: Sequence[str]) -> dict[str, Any]:
    """The differing row that was asked about first."""
    candidates: list[dict[str, Any]] = []
    for group in groups:
        rows = np.flatnonzero(group.differ[:, place])
        if rows.size:
            at = group.asked["at"][rows.tolist()]
            row = int(rows[at.arg_min() or 0])
            entity = ", ".join(f"{key}={group.asked[key][row]!r}" for key in keys)
            values = {"logged": _shown(group.logged[row, place]), "offline": _shown(group.offline[row, place])}
            candidates.append({"entity": entity, "at": group.asked["at"][row], **values})
    return min(candidates, key=lambda candidate: candidate["at"])


def _shown(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
