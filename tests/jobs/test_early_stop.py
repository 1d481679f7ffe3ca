"""The median stopping rule against a median computed by hand."""

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.jobs.early_stop import median_bounds
from mlp_assets.nouns.search import StopEarly
from mlp_assets.training.early_stop import EarlyStop, StoppedEarly

LOSSES = st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=6), min_size=1, max_size=9)


def logged(losses: list[float]) -> list[tuple[int, str, float]]:
    return [(step, name, value) for step, value in enumerate(losses) for name in ("loss", "other")]


@settings(deadline=None)
@given(LOSSES, st.integers(1, 5))
def test_a_bound_is_the_median_of_the_best_so_far(losses: list[list[float]], after: int) -> None:
    bounds = median_bounds(StopEarly("loss", after=after), [logged(each) for each in losses])
    if len(losses) < after:
        assert bounds == {}
        return
    for step in range(6):
        best = [min(each[: step + 1]) for each in losses if len(each) > step]
        expected = median(best) if 2 * len(best) > len(losses) else None
        assert bounds.get(step) == expected


@given(st.lists(st.floats(0, 10), min_size=1, max_size=6), st.floats(0, 10), st.booleans())
def test_a_trial_stops_where_its_best_value_is_worse(values: list[float], bound: float, higher: bool) -> None:
    stop = EarlyStop(StopEarly("loss", higher), {2: bound})
    best = max(values) if higher else min(values)
    worse = best < bound if higher else best > bound
    if worse and len(values) > 2:
        with pytest.raises(StoppedEarly, match=f"step {len(values) - 1}"):
            stop.check(logged(values))
    else:
        stop.check(logged(values))
