"""Giving a trial of a search up while it trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp_assets.errors import MlpError
from mlp_assets.jobs.early_stop import History, at, best_so_far
from mlp_assets.nouns.search import StopEarly


class StoppedEarly(MlpError):
    """A trial is worse than the median of those before it."""


@dataclass(frozen=True)
class Stop:
    """The bounds of one trial, step by step."""

    rule: StopEarly
    bounds: Mapping[int, float]

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> "Stop | None":
        """As a job tells it; None where it has none."""
        if told is None:
            return None
        return cls(StopEarly(told["metric"], told["higher_is_better"]), dict(told["bounds"]))

    def look(self, history: History) -> None:
        """Raises StoppedEarly where the best value so far is worse than the bound of the newest step."""
        curve = best_so_far(self.rule, history)
        if not curve:
            return
        step = max(curve)
        best, bound = curve[step], at(self.bounds, step)
        if bound is not None and (best < bound if self.rule.higher_is_better else best > bound):
            raise StoppedEarly(
                f"given up at step {step}: {self.rule.metric} is {best:.5g} at best, and the median of the trials "
                f"before is {bound:.5g}"
            )
