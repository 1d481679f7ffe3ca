"""A window holds the times from its start to before its end, in any notation."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import mlp_assets as mlp

MONDAY = datetime(2024, 3, 4)
WINDOW = mlp.Window(MONDAY.replace(tzinfo=UTC), (MONDAY + timedelta(weeks=1)).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("time", "held"),
    [
        (MONDAY, True), (MONDAY + timedelta(days=6, hours=23), True), (MONDAY + timedelta(weeks=1), False),
        (date(2024, 3, 4), True), (date(2024, 3, 11), False), (MONDAY.replace(tzinfo=ZoneInfo("Europe/Berlin")), False),
        (datetime(2024, 3, 11, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")), True),
    ],
)  # fmt: skip
def test_a_window_is_half_open_and_in_utc(time: object, held: bool) -> None:
    frame = pl.LazyFrame({"at": [time, None]})
    assert frame.filter(WINDOW.holds("at")).collect().height == held


def test_a_row_with_a_delay_lies_in_the_window_where_it_became_known() -> None:
    hours = [WINDOW.start + timedelta(hours=hour) for hour in (-25, -24, 0, 7 * 24 - 25, 7 * 24 - 24, 7 * 24)]
    frame = pl.DataFrame({"at": hours})
    assert frame.select(WINDOW.holds("at", delay="1d")).to_series().to_list() == [False, True, True, True, False, False]
