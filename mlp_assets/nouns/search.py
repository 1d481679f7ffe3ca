"""Search: which settings of a model are tried, how many times, and when a trial is given up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts


@dataclass(frozen=True)
class FloatRange:
    """A number from ``low`` to ``high``; ``log=True`` tries each order of magnitude as often as the next."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class IntRange:
    """A whole number from ``low`` to ``high``, both included; ``log`` as for ``FloatRange``."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of the values: texts, numbers, True, None."""

    values: Sequence[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", texts.frozen_sequence(self.values))


@dataclass(frozen=True)
class StopEarly:
    """Gives a trial up at a step where it is worse than the median of the trials before it.

    Args:
        metric: a name that ``train`` gives to ``run.log``.
        higher_is_better: False for a loss.
        after: so many trials are never given up.

    Source: the median stopping rule of Golovin et al., Google Vizier (KDD 2017), on the best value up to the step.
    """

    metric: str
    higher_is_better: bool = False
    after: int = 5


Range = FloatRange | IntRange | Choice


@dataclass(frozen=True)
class Search:
    """A search of ``params``: each trial trains once and is judged on the validation rows; the best settings go on.

    Args:
        space: name of a parameter -> what it may be.
        trials: how many, at most.
        budget: no trial begins after so long; None for no limit.
        at_once: trials that run side by side. The choice depends on it, so it is said here and not by the machine.
        cpus: what each trial reserves of the Ray cluster; fractions let it run beside endpoints.
        stop_early: when a trial is given up; None for never.
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
    """What is wrong with a model's search."""
    spot = f"{where}, search"
    found: list[Problem] = []
    if not search.space:
        fix = "Write space={'rate': mlp.FloatRange(1e-4, 1e-1, log=True)}, say."
        found.append(Problem(spot, "its space has no parameter", fix))
    for name, values in search.space.items():
        found += _range_problems(spot, name, values)
    for name in ("trials", "at_once"):
        if getattr(search, name) < 1:
            found.append(Problem(spot, f"{name}={getattr(search, name)} tries nothing", f"Write {name}=1 or more."))
    if search.cpus <= 0:
        found.append(Problem(spot, f"cpus={search.cpus} reserves nothing", "Write cpus=0.25, say."))
    if search.budget is not None:
        found += texts.duration_problems(spot, "budget", search.budget)
    if search.stop_early is not None and search.stop_early.after < 1:
        fix = "Write after=5, say: the median of none is no bound."
        found.append(Problem(spot, f"after={search.stop_early.after} is not usable", fix))
    return found


def _range_problems(spot: str, name: str, values: Range) -> list[Problem]:
    if isinstance(values, Choice):
        return _choice_problems(spot, name, values)
    what = f"{name!r} goes from {values.low:g} to {values.high:g}"
    if not values.low < values.high:
        return [Problem(spot, what, "Write the smaller number first, or leave the parameter out of the space.")]
    if values.log and values.low <= 0:
        return [Problem(spot, f"{what} with log=True", "Write a low above 0, or leave log out.")]
    return []


def _choice_problems(spot: str, name: str, choice: Choice) -> list[Problem]:
    if not choice.values:
        return [Problem(spot, f"{name!r} has nothing to choose from", "Write mlp.Choice([32, 64]), say.")]
    strange = [value for value in choice.values if not isinstance(value, str | int | float | bool | None)]
    if strange:
        fix = "Write texts, numbers, True, False or None, and let train make of them what it needs."
        return [Problem(spot, f"{name!r} may be {strange[0]!r}, which is no plain value", fix)]
    try:
        json.dumps(list(choice.values), allow_nan=False)
    except ValueError:
        return [Problem(spot, f"{name!r} may be a number that is not finite", "Write finite numbers.")]
    return []
