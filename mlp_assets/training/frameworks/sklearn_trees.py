"""Gives the trees of an ONNX model what skl2onnx 1.20 leaves out of scikit-learn's trees.

- It converts the trees of forests without ``missing_go_to_left``: all missing values go to the right.
- It rounds the thresholds of histogram trees to the next float32, which may lie above: a value between the two goes
  to the other side.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlp_assets.training.frameworks.framework import comes_from

_TRACKS, _VALUES, _LEAF = "nodes_missing_value_tracks_true", "nodes_values", b"LEAF"
# skl2onnx rounds thresholds to float32.
_THRESHOLD_TOLERANCE = 1e-5


@dataclass(frozen=True)
class FittedTree:
    """The splits of a fitted tree in the order of its nodes.

    ``missing_left`` says whether missing values go left; None where skl2onnx converts that.
    """

    nodes: int
    columns: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    missing_left: NDArray[np.bool_] | None

    @property
    def shape(self) -> tuple[int, bytes]:
        return self.nodes, self.columns.tobytes()


def mend_trees(graph: Any, model: Any) -> None:
    """Sets the thresholds and the branches of missing values in each tree of the ONNX model that is one of ``model``.

    The trees are matched by their structure. One that has no match stays as it is: the comparison after the export
    finds what it answers.
    """
    fitted: dict[tuple[int, bytes], list[FittedTree]] = {}
    for tree in _trees(model, set()):
        fitted.setdefault(tree.shape, []).append(tree)
    if fitted:
        for node in graph.graph.node:
            if node.op_type.startswith("TreeEnsemble"):
                _mend_ensemble({attribute.name: attribute for attribute in node.attribute}, fitted)


def _mend_ensemble(attributes: Mapping[str, Any], fitted: Mapping[tuple[int, bytes], list[FittedTree]]) -> None:
    numbers = np.array(attributes["nodes_treeids"].ints)
    tracks = np.array(attributes[_TRACKS].ints)
    columns = np.array(attributes["nodes_featureids"].ints, dtype=np.int64)
    inner = np.array([mode != _LEAF for mode in attributes["nodes_modes"].strings], dtype=np.bool_)
    thresholds = np.array(attributes[_VALUES].floats, dtype=np.float32)
    for number in np.unique(numbers):
        places = np.flatnonzero(numbers == number)
        splits = places[inner[places]]
        tree = _take(fitted.get((len(places), columns[splits].tobytes()), []), thresholds[splits])
        if tree is not None:
            thresholds[splits] = _rounded_down(tree.thresholds)
            tracks[splits] = tree.missing_left if tree.missing_left is not None else tracks[splits]
    _replace(attributes[_TRACKS].ints, tracks)
    _replace(attributes[_VALUES].floats, thresholds)


def _take(trees: list[FittedTree], thresholds: NDArray[np.float32]) -> FittedTree | None:
    """The first of the trees with these thresholds. It is removed, for trees may be alike, and their order is kept."""
    for place, tree in enumerate(trees):
        if np.allclose(tree.thresholds, thresholds, _THRESHOLD_TOLERANCE, _THRESHOLD_TOLERANCE):
            return trees.pop(place) if len(trees) > 1 else tree
    return None


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that are not above: a float32 is at most a threshold where it is at most this."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def _replace(values: Any, by: Any) -> None:
    del values[:]
    values.extend(by.tolist())


def _trees(part: Any, seen: set[int]) -> Iterator[FittedTree]:
    """The fitted trees of an estimator and of the estimators in it."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if hasattr(part, "missing_go_to_left"):
        inner = part.children_left >= 0
        columns = part.feature[inner].astype(np.int64)
        yield FittedTree(part.node_count, columns, part.threshold[inner], part.missing_go_to_left[inner].astype(bool))
    elif type(part).__name__ == "TreePredictor":
        nodes = part.nodes
        splits = nodes[nodes["is_leaf"] == 0]
        yield FittedTree(len(nodes), splits["feature_idx"].astype(np.int64), splits["num_threshold"], None)
    else:
        for value in _parts(part):
            yield from _trees(value, seen)


def has_part(model: Any, name: str) -> bool:
    """Whether an estimator of this class is the model or a part of it."""
    seen, left = set[int](), [model]
    while left:
        part = left.pop()
        if type(part).__name__ == name:
            return True
        if id(part) not in seen:
            seen.add(id(part))
            left += _parts(part)
    return False


def _parts(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from cast("dict[Any, Any]", part).values()
    elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        yield from cast("list[Any]", part)
    elif comes_from(part, "sklearn") and hasattr(part, "__dict__"):
        yield from vars(part).values()
