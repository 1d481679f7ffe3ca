"""Search: the space of parameters that are searched, the number of trials, and when a trial is stopped early."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class FloatRange:
    """A number from ``low`` to ``high``. ``log=True`` draws it from a logarithmic scale."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class IntRange:
    """A whole number from ``low`` to ``high``, both included. ``log`` as in ``FloatRange``."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of the values, which are texts, numbers, True, False or None."""

    values: Sequence[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", texts.frozen_sequence(self.values))


@dataclass(frozen=True)
class StopEarly:
    """Stops a trial at a step where it is worse than the median of the earlier trials.

    Args:
        metric: a metric that ``train`` logs with ``run.log``.
        higher_is_better: False for a loss.
        after: the first trials, this many, are never stopped.

    Source: the median stopping rule of Golovin et al., Google Vizier (KDD 2017), on the best value up to the step.
    """

    metric: str
    higher_is_better: bool = False
    after: int = 5


Range = FloatRange | IntRange | Choice


@dataclass(frozen=True)
class Search:
    """A search of ``params``. Each trial trains once and is scored on the validation rows. The best parameters win.

    Args:
        space: parameter name -> its range or choice.
        trials: maximum number of trials.
        budget: no trial starts after this time. None means no limit.
        at_once: number of trials that run in parallel. It is declared because the sampled parameters depend on it.
        cpus: cores that a trial reserves in the Ray cluster. Fractions let it run beside endpoints.
        stop_early: when a trial is stopped. None means never.
    """

    space: Mapping[str, Range]
    trials: int = 20
    budget: str | None = "1h"
    at_once: int = 2
    cpus: float = 0.25
    stop_early: StopEarly | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", texts.frozen_mapping(self.space))


def search_problems(where: str, search: Search) -> list[Problem]:
    """Problems of a model's search."""
    spot = f"{where}, search"
    problems: list[Problem] = []
    if not search.space:
        fix = "Write space={'rate': mlp.FloatRange(1e-4, 1e-1, log=True)}, for example."
        problems.append(Problem(spot, "its space has no parameter", fix))
    for name, values in search.space.items():
        problems += _range_problems(spot, name, values)
    for name in ("trials", "at_once"):
        if getattr(search, name) < 1:
            problems.append(Problem(spot, f"{name}={getattr(search, name)} is too few", f"Write {name}=1 or more."))
    if search.cpus <= 0:
        problems.append(Problem(spot, f"cpus={search.cpus} reserves nothing", "Write cpus=0.25, for example."))
    if search.budget is not None:
        problems += texts.duration_problems(spot, "budget", search.budget)
    if search.stop_early is not None and search.stop_early.after < 1:
        fix = "Write after=5, for example: without earlier trials there is no median."
        problems.append(Problem(spot, f"after={search.stop_early.after} is too few", fix))
    return problems


def _range_problems(spot: str, name: str, values: Range) -> list[Problem]:
    if isinstance(values, Choice):
        return _choice_problems(spot, name, values)
    what = f"{name!r} ranges from {values.low:g} to {values.high:g}"
    if not values.low < values.high:
        return [Problem(spot, what, "Write the smaller number first, or leave the parameter out of the space.")]
    if values.log and values.low <= 0:
        return [Problem(spot, f"{what} with log=True", "Write a low above 0, or leave log out.")]
    return []


def _choice_problems(spot: str, name: str, choice: Choice) -> list[Problem]:
    if not choice.values:
        return [Problem(spot, f"{name!r} has nothing to choose from", "Write mlp.Choice([32, 64]), for example.")]
    unusable = [value for value in choice.values if not isinstance(value, str | int | float | bool | None)]
    if unusable:
        fix = "Write texts, numbers, True, False or None, and let train build other objects from them."
        return [Problem(spot, f"{name!r} may be {unusable[0]!r}, which is not a plain value", fix)]
    try:
        json.dumps(list(choice.values), allow_nan=False)
    except ValueError:
        return [Problem(spot, f"{name!r} may be a number that is not finite", "Write finite numbers.")]
    return []
