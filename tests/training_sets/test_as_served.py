"""Training rows equal what look-ups were given: weeks of real runs and publications, replayed by one injected clock.

Each case runs a project as its schedules would, step by step. At many times of a day, every entity is looked up in the
online store as a replica does it, with the clock at that time. Afterwards the same times are the labels of a training
set. Every value must be the same, bit for bit. ``MLP_LONG`` replays more days and users, over a million values in all.
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
    daily_external,
    daily_on_arrival,
    external,
    habit,
    hourly_ingested,
    spending,
)  # fmt: skip

ON_TIME = CASES if LONG else (daily_external, hourly_ingested)  # the faulty ones have steps on time too


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize(
    ("case", "faults"),
    [*((case, True) for case in CASES), *((case, False) for case in ON_TIME)],
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
@pytest.mark.parametrize(
    "faults", [True, *([False] if LONG else [])], ids=lambda value: "faulty" if value else "on_time"
)
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
