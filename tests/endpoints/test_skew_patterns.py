"""The parts of the skew check: the even sample, the publication that should have been visible, and expiry patterns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlp_assets.endpoints.skew.compared_rows import ViewReads
from mlp_assets.endpoints.skew.even_sample import EvenSample
from mlp_assets.endpoints.skew.expiry_pattern import explain_expiry
from mlp_assets.endpoints.skew.visible_versions import LEEWAY, find_other_version, publications_since
from mlp_assets.publications.progress import Progress
from mlp_assets.publications.record import Outcome, Publication

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(2, 30))
def test_a_sample_is_bounded_and_even(sizes: list[int], most: int) -> None:
    sample, first = EvenSample(most), 0
    for size in sizes:
        sample.add(pl.DataFrame({"row": range(first, first + size)}, schema={"row": pl.Int64}))
        first += size
    rows = [row for frame in sample.frames() for row in frame["row"].to_list()]
    assert sample.seen == sum(sizes)
    assert min(most, sum(sizes)) // 2 <= len(rows) <= most
    steps = set(np.diff(rows).tolist())
    assert rows[:1] in ([], [0])
    assert len(steps) <= 1
    assert not rows or first - rows[-1] <= next(iter(steps), first)


def test_frames_of_other_columns_are_kept_apart() -> None:
    sample = EvenSample(10)
    for frame in (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.0]}), pl.DataFrame({"a": [2]})):
        sample.add(frame)
    assert [frame["a"].to_list() for frame in sample.frames()] == [[1, 2], [1.0]]


def publication(version: int, begun: datetime, lasts: timedelta | None, outcome: Outcome = "published") -> Publication:
    visible = begun + lasts if lasts is not None else None
    progress = Progress(begun, ((begun, begun),))
    return Publication(f"{version}", "store", "1d", "definition", version, progress, begun, visible, outcome)


HISTORY = [
    publication(3, NOON - 3 * HOUR, MINUTE),
    publication(4, NOON - 2 * HOUR, None, "failed"),
    publication(5, NOON - HOUR, 30 * MINUTE),  # slow
    publication(6, NOON + HOUR, None, "begun"),  # its process died
    publication(6, NOON + 2 * HOUR, MINUTE),
]


@pytest.mark.parametrize(
    ("minutes", "logged", "expected"),
    [
        (-60 * 4, 2, "fine"),  # before the record
        (-60 * 2, 3, "fine"),
        (-60 * 2, 5, 3),  # not begun yet
        (-60 * 1 - 50, 4, 3),  # a publication that failed was never online
        (-45, 3, "fine"),  # during a publication, before its switch and after it
        (-45, 5, "fine"),
        (-20, 3, 5),
        (0, 5, "fine"),
        (0, 9, 5),
        (90, 5, "fine"),
        (90, 6, "fine"),  # nobody knows whether it got as far as the switch
        (60 * 5, 6, "fine"),
        (60 * 5, 5, 6),
    ],
)
def test_the_record_says_which_version_should_have_been_visible(minutes: int, logged: int, expected: Any) -> None:
    time = NOON + minutes * MINUTE
    for history in (HISTORY, publications_since(HISTORY, time), publications_since(HISTORY, time - MINUTE)):
        other = find_other_version("spending", history, logged, time)
        assert other is None if expected == "fine" else other is not None
        assert other is None or (other.expected, other.logged, other.view) == (expected, logged, "spending")


def test_a_request_may_be_answered_a_little_after_its_look_up() -> None:
    switched = NOON - HOUR + 30 * MINUTE
    assert find_other_version("spending", HISTORY, 3, switched + LEEWAY - timedelta(seconds=1)) is None
    assert find_other_version("spending", HISTORY, 3, switched + LEEWAY) is not None


def test_nothing_is_judged_without_a_record() -> None:
    assert find_other_version("spending", [], 3, NOON) is None


TTL = timedelta(days=4)


def reads(ages: list[int], served: list[bool]) -> ViewReads:
    """Ages in quarters of an hour."""
    age = np.array(ages, dtype=np.int64) * (HOUR // timedelta(microseconds=1) // 4)
    offline: Any = None
    return ViewReads(offline, np.array(served), (age >= 0) & (age <= TTL // timedelta(microseconds=1)), age)


AGES = st.lists(st.integers(-60, 4 * 96 + 60), min_size=5, max_size=60)


@given(AGES, st.integers(1, 400))
def test_another_ttl_is_named(ages: list[int], ttl: int) -> None:
    served = [0 <= age <= ttl for age in ages]
    assume(served != [0 <= age <= 4 * 96 for age in ages])
    assert "another TTL" in explain_expiry([reads(ages, served)], TTL)


@given(AGES, st.integers(-14 * 4, 14 * 4))
def test_a_shift_is_named_with_its_direction(ages: list[int], quarters: int) -> None:
    served = [0 <= age + quarters <= 4 * 96 for age in ages]
    assume(served != [0 <= age <= 4 * 96 for age in ages])
    message = explain_expiry([reads(ages, served)], TTL)
    assert "times shifted by at least " in message
    named = float(message.partition("at least ")[2].split()[0]) if "another TTL" not in message else quarters / 4
    assert named * quarters > 0
    assert abs(named) <= abs(quarters) / 4


def test_a_pattern_that_age_does_not_explain_is_called_that() -> None:
    message = explain_expiry([reads([1, 2, 3, 4], [True, False, True, False])], TTL)
    assert message == "rows that are missing on one side only"
