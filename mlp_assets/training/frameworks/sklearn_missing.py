"""Sends missing values down the branches of scikit-learn's trees that were fitted for them.

skl2onnx 1.20 converts a tree without ``missing_go_to_left``, so its ONNX form sends all missing values to the right.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from mlp_assets.training.frameworks.framework import comes_from

_TRACKS, _LEAF = "nodes_missing_value_tracks_true", b"LEAF"
# skl2onnx rounds thresholds to float32.
_THRESHOLD_TOLERANCE = 1e-5


def send_missing_as_fitted(graph: Any, model: Any) -> None:
    """Sets the branch of missing values in each tree of the ONNX model that is a tree of ``model``.

    The trees are matched by their structure. One that has no match stays as it is: the comparison after the export
    finds what it answers.
    """
    fitted: dict[tuple[int, bytes], list[Any]] = {}
    for tree in _trees(model, set()):
        fitted.setdefault((tree.node_count, tree.feature[tree.feature >= 0].tobytes()), []).append(tree)
    if fitted:
        for node in graph.graph.node:
            if node.op_type.startswith("TreeEnsemble"):
                _set_tracks({attribute.name: attribute for attribute in node.attribute}, fitted)


def _set_tracks(attributes: Mapping[str, Any], fitted: Mapping[tuple[int, bytes], list[Any]]) -> None:
    numbers = np.array(attributes["nodes_treeids"].ints)
    tracks = np.array(attributes[_TRACKS].ints)
    features = np.array(attributes["nodes_featureids"].ints, dtype=np.int64)
    inner = np.array([mode != _LEAF for mode in attributes["nodes_modes"].strings], dtype=np.bool_)
    thresholds = np.array(attributes["nodes_values"].floats)
    for number in np.unique(numbers):
        places = np.flatnonzero(numbers == number)
        splits = places[inner[places]]
        for tree in fitted.get((len(places), features[splits].astype(np.intp).tobytes()), ()):
            own = tree.feature >= 0
            if np.allclose(tree.threshold[own], thresholds[splits], _THRESHOLD_TOLERANCE, _THRESHOLD_TOLERANCE):
                tracks[splits] = tree.missing_go_to_left[own]
                break
    del attributes[_TRACKS].ints[:]
    attributes[_TRACKS].ints.extend(int(track) for track in tracks)


def _trees(part: Any, seen: set[int]) -> Iterator[Any]:
    """The fitted trees of an estimator and of the estimators in it."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if hasattr(part, "missing_go_to_left"):
        yield part
    elif isinstance(part, dict):
        for value in cast("dict[Any, Any]", part).values():
            yield from _trees(value, seen)
    elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        for value in cast("list[Any]", part):
            yield from _trees(value, seen)
    elif comes_from(part, "sklearn") and hasattr(part, "__dict__"):
        yield from _trees(vars(part), seen)
