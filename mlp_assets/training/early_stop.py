"""Stops a trial of a search early, while it trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp_assets.errors import MlpError
from mlp_assets.jobs.early_stop import History, best_so_far, value_at
from mlp_assets.nouns.search import StopEarly


class StoppedEarly(MlpError):
    """A trial is worse than the median of the trials before it."""


@dataclass(frozen=True)
class EarlyStop:
    """The bounds of one trial: step -> the worst value of the metric with which it goes on."""

    rule: StopEarly
    bounds: Mapping[int, float]

    @classmethod
    def from_spec(cls, stop: Mapping[str, Any] | None) -> "EarlyStop | None":
        """From ``JobSpec.stop``; None where a job has no bounds."""
        if stop is None:
            return None
        return cls(StopEarly(stop["metric"], stop["higher_is_better"]), dict(stop["bounds"]))

    def check(self, history: History) -> None:
        """Raises StoppedEarly where the best value so far is worse than the bound of the newest step."""
        curve = best_so_far(self.rule, history)
        if not curve:
            return
        step = max(curve)
        best, bound = curve[step], value_at(self.bounds, step)
        if bound is not None and (best < bound if self.rule.higher_is_better else best > bound):
            raise StoppedEarly(
                f"stopped at step {step}: the best {self.rule.metric} is {best:.5g}, and the median of the trials "
                f"before is {bound:.5g}"
            )
