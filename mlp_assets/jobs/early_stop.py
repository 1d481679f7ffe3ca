"""Early-stopping bounds, fixed before a trial starts so that the outcome does not depend on timing."""

from collections.abc import Mapping, Sequence
from statistics import median

from mlp_assets.nouns.search import StopEarly

# A training that was stopped early leaves this file, with the reason.
STOPPED = "stopped"
History = Sequence[tuple[int, str, float]]


def median_bounds(rule: StopEarly, histories: Sequence[History]) -> dict[int, float]:
    """Step -> the median, over earlier trials, of the best value up to that step.

    Empty while fewer than ``rule.after`` trials logged the metric. Only steps that more than half of them reached have
    a bound. The rule is the median stopping rule; ``StopEarly`` names its source.
    """
    curves = [curve for curve in (best_so_far(rule, history) for history in histories) if curve]
    if len(curves) < rule.after:
        return {}
    bounds: dict[int, float] = {}
    for step in sorted({step for curve in curves for step in curve}):
        values = [value for curve in curves if (value := _value_reached(curve, step)) is not None]
        if 2 * len(values) > len(curves):
            bounds[step] = median(values)
    return bounds


def value_at(curve: Mapping[int, float], step: int) -> float | None:
    """The value of the newest step up to ``step``; None before the first one."""
    earlier = [known for known in curve if known <= step]
    return curve[max(earlier)] if earlier else None


def best_so_far(rule: StopEarly, history: History) -> dict[int, float]:
    """Step -> the best value of the rule's metric up to that step."""
    best, curve = None, dict[int, float]()
    for step, name, value in history:
        if name == rule.metric:
            better = best is None or (value > best if rule.higher_is_better else value < best)
            best = value if better else best
            assert best is not None
            curve[step] = best
    return curve


def _value_reached(curve: Mapping[int, float], step: int) -> float | None:
    """Like ``value_at``, but None after the curve's last step."""
    return value_at(curve, step) if step <= max(curve) else None
