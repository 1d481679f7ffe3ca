"""When a trial of a search is given up: by bounds that are fixed before it begins, so that no timing decides."""

from collections.abc import Mapping, Sequence
from statistics import median

from mlp_assets.nouns.search import StopEarly

# The file that a training leaves when it was given up.
STOPPED = "stopped"
History = Sequence[tuple[int, str, float]]


def median_bounds(rule: StopEarly, before: Sequence[History]) -> dict[int, float]:
    """Step -> the median, over the trials before, of the best value up to the step; none while they are too few.

    Only steps that most of the trials reached have a bound.

    Source: as for ``StopEarly``.
    """
    curves = [best_so_far(rule, history) for history in before]
    curves = [curve for curve in curves if curve]
    if len(curves) < rule.after:
        return {}
    steps = sorted({step for curve in curves for step in curve})
    found = {step: [value for curve in curves if (value := at(curve, step, last=True)) is not None] for step in steps}
    return {step: median(values) for step, values in found.items() if 2 * len(values) > len(curves)}


def at(curve: Mapping[int, float], step: int, *, last: bool = False) -> float | None:
    """The value of the newest step that is not after this one; with ``last`` none after the curve's end."""
    if last and curve and step > max(curve):
        return None
    reached = [known for known in curve if known <= step]
    return curve[max(reached)] if reached else None


def best_so_far(rule: StopEarly, history: History) -> dict[int, float]:
    """Step -> the best value of the rule's metric up to it."""
    best, found = None, dict[int, float]()
    for step, name, value in history:
        if name == rule.metric:
            better = best is None or (value > best if rule.higher_is_better else value < best)
            best = value if better else best
            assert best is not None
            found[step] = best
    return found
