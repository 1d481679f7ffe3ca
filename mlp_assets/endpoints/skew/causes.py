"""The likely cause of a feature's differences, from their pattern."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.endpoints.skew.compared_rows import ComparedRows, Flags, Matrix
from mlp_assets.endpoints.skew.expiry_pattern import explain_expiry
from mlp_assets.nouns.feature_view import FeatureView

ROUNDING = "another rounding"
OTHER_ENTITIES = "the values of other entities: swapped keys"
OTHER_VALUES = "other values"
_ROUNDING = 1e-6
_GROUPS = 3  # whose whole publications are searched for the values of other entities


def cause_of(view: FeatureView, groups: Sequence[ComparedRows], feature: str) -> str:
    """The likely cause of the differences of a stored feature.

    Args:
        groups: compared rows, in which the feature differs somewhere.
    """
    place = groups[0].features.index(feature)
    logged, offline = (np.concatenate(parts) for parts in _values(groups, place))
    if _is_rounding(logged, offline):
        return ROUNDING
    some = [(group, group.differ[:, place]) for group in groups if group.differ[:, place].any()][:_GROUPS]
    of_others = sum(_of_other_entities(view, group, differing) for group, differing in some)
    if 2 * of_others > sum(differing.sum() for _, differing in some):
        return OTHER_ENTITIES
    if 2 * np.count_nonzero(np.isnan(logged) != np.isnan(offline)) > len(logged):
        return explain_expiry([group.views[view.name] for group in groups], view.ttl_length)
    return OTHER_VALUES


def _pairs(groups: Sequence[ComparedRows], place: int) -> list[tuple[Matrix, Matrix]]:
    """(logged, offline) of each group's differing rows."""
    masks = [group.differ[:, place] for group in groups]
    return [(group.logged[mask, place], group.offline[mask, place]) for group, mask in zip(groups, masks, strict=True)]


def _values(groups: Sequence[ComparedRows], place: int) -> tuple[list[Matrix], list[Matrix]]:
    pairs = _pairs(groups, place)
    return [logged for logged, _ in pairs], [offline for _, offline in pairs]


def _is_rounding(logged: Matrix, offline: Matrix) -> bool:
    size = np.maximum(np.abs(logged), np.abs(offline))
    return bool((np.abs(logged - offline) <= _ROUNDING * size).all())


def _of_other_entities(view: FeatureView, group: ComparedRows, differing: Flags) -> int:
    """How many of the rows logged what one other entity alone has in the publication."""
    names = [name for name in view.feature_names if name in group.features]
    places, keys = [group.features.index(name) for name in names], list(view.entity.keys)
    differing = differing & ~np.isnan(group.logged[:, places]).all(axis=1)
    asked = group.asked.filter(pl.Series(differing)).select(keys)
    if not asked.height:
        return 0
    held = group.views[view.name].offline.everybody
    held = held.with_columns(pl.col(key).cast(asked.schema[key]) for key in keys)
    own = _as_bytes(asked.join(held, on=keys, how="left", maintain_order="left"), names)
    logged = _as_bytes(pl.DataFrame(group.logged[differing][:, places], schema=names), names)
    values, counts = np.unique(_as_bytes(held, names), return_counts=True)
    return int((np.isin(logged, values[counts == 1]) & (logged != own)).sum())


def _as_bytes(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.void]:
    """(rows,) the columns of each row as one value. Values that are not finite are missing, as in the log."""
    rows = frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    finite = np.ascontiguousarray(np.where(np.isfinite(rows), rows, np.nan))
    return finite.view(np.dtype((np.void, finite.itemsize * finite.shape[1]))).ravel()
