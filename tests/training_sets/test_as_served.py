"""Training rows equal what look-ups were given: weeks of real runs and publications, replayed by one injected clock.

Each case runs a project as its schedules would, step by step. At many times of a day, every entity is looked up in the
online store as a replica does it, with the clock at that time. Afterwards the same times are the labels of a training
set. Every value must be the same, bit for bit: of 15 days and 8 users, or 2 days by the hour. ``MLP_LONG`` replays 60
and 8 days and 500 users, over a million values in all, and each case without faults too.
"""

from pathlib import Path
from typing import Any

import pytest

import mlp_assets as mlp
from tests.support.replay import Replay
from tests.support.replayed_projects import (
    CASES,
    LONG,
    ORDERS,
    daily_chain,
    daily_on_arrival,
    external,
    habit,
    spending,
)  # fmt: skip

FAULTS = (True, False) if LONG else (True,)  # the faulty cases have steps on time too


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize(
    ("case", "faults"),
    [(case, faults) for case in CASES for faults in FAULTS],
    ids=lambda value: getattr(value, "__name__", "faulty" if value else "on_time"),
)
def test_training_rows_equal_what_look_ups_were_given(case: Any, faults: bool, home: Path, tmp_path: Path) -> None:
    location = str(tmp_path / "orders")
    ORDERS.clear().write_delta(location)
    replay = Replay(case(location), home, location, faults)
    replay.run()
    assert (replay.arrivals > 0) == (case is daily_on_arrival)
    by_changes = sum(how != "all rows" for how in replay.published)
    assert by_changes > len(replay.published) / 4 if replay.hourly else by_changes == 0
    different = replay.compare()
    assert different.is_empty(), different


def of_a_longer_window(location: str) -> list[mlp.FeatureView]:
    """The chain, of which the first feature sums up more days, within the reach that the view had."""
    features = {"spend_3d": mlp.total("amount", over="4d"), "orders_5d": mlp.count(over="5d")}
    first = spending(external(location), features=features)
    return [first, habit(first)]


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize("faults", FAULTS, ids=lambda value: "faulty" if value else "on_time")
def test_training_rows_equal_what_look_ups_were_given_across_a_change_of_a_definition(
    faults: bool, home: Path, tmp_path: Path
) -> None:
    location = str(tmp_path / "orders")
    ORDERS.clear().write_delta(location)
    follows = ("spend_3d", "most_5d", "last")  # of the second view: computed from the first one's
    replay = Replay(
        daily_chain(location), home, location, faults, changed=of_a_longer_window(location), redefined=follows
    )
    replay.run()
    different = replay.compare()
    assert different.is_empty(), different
    assert replay.compared["orders_5d"] > replay.compared["spend_3d"] > 100
