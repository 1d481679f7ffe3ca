"""The smallest example of each line in the tables of docs/as-served.md that no other test covers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets import testing
from mlp_assets.tables.arrivals import Arrival, stamp_arrivals
from tests.support import samples as s

MONDAY = datetime(2024, 3, 4)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime}


def view(feature: mlp.Aggregation, **source: object) -> mlp.FeatureView:
    changes = {"start": "2024-03-04", "columns": COLUMNS} | source
    return s.view(source=s.source(**changes), features={"value": feature}, ttl=None)


def rows(*times: object, amounts: list[float | None] | None = None) -> dict[str, list[object]]:
    return {"user_id": [1] * len(times), "amount": list(amounts or [1.0] * len(times)), "at": list(times)}


def value(feature: mlp.Aggregation, events: Mapping[str, Any], at: object, **source: object) -> float | None:
    frame = testing.features(view(feature, **source), events, at=at, entities={"user_id": [1]})  # type: ignore[arg-type]
    return frame["value"].item()


def test_a_window_holds_its_first_moment_and_not_its_last() -> None:
    day = mlp.count(over="1d")
    assert value(day, rows(MONDAY, MONDAY + DAY), MONDAY + DAY) == 1
    assert value(day, rows(MONDAY + DAY - timedelta(microseconds=1)), MONDAY + DAY) == 1


def test_a_row_is_known_when_its_source_says() -> None:
    both = mlp.count(over="5d")
    noon = rows(MONDAY + DAY / 2)
    assert [value(both, noon, MONDAY + n * DAY, delay="2d") for n in (2, 3)] == [None, 1]
    # The partition that begins when a row becomes known brings it, so the moment after that counts it.
    assert [value(both, rows(MONDAY), MONDAY + n * DAY, delay="2d") for n in (2, 3)] == [None, 1]
    columns = COLUMNS | {"came": pl.Datetime}
    declared = rows(MONDAY) | {"came": [MONDAY + 2.5 * DAY]}
    values = [value(both, declared, MONDAY + n * DAY, columns=columns, known_at="came") for n in (2, 3)]
    assert values == [None, 1]
    # A row cannot be known before it happened.
    early = rows(MONDAY + DAY / 2) | {"came": [MONDAY]}
    assert value(both, early, MONDAY + DAY, columns=columns, known_at="came") == 1
    # A row that is known two days late never appears in a window of one day.
    never = [value(mlp.count(over="1d"), rows(MONDAY), MONDAY + n * DAY, delay="2d") for n in (1, 2, 3)]
    assert never == [None, None, None]


def test_a_row_that_has_exactly_its_ttl_is_used() -> None:
    source = s.source(start="2024-03-04", end="2024-03-05")
    short = s.view(source=source, features={"value": mlp.count(over="1d")}, ttl="2d")
    times = [MONDAY + 3 * DAY, MONDAY + 3 * DAY + timedelta(microseconds=1)]
    assert testing.features(short, rows(MONDAY), at=times)["value"].to_list() == [1, None]


def test_ties_are_broken_by_value() -> None:
    tie = rows(MONDAY, MONDAY, amounts=[3.0, 5.0])
    assert value(mlp.latest("amount", over="1d"), tie, MONDAY + DAY) == 5
    assert value(mlp.first("amount", over="1d"), tie, MONDAY + DAY) == 3
    columns = COLUMNS | {"came": pl.Datetime}
    known = tie | {"came": [MONDAY + 2 * HOUR, MONDAY + HOUR]}
    assert value(mlp.attribute("amount"), known, MONDAY + DAY, columns=columns, known_at="came") == 3


def test_a_label_at_a_step_sees_the_row_of_that_step() -> None:
    spec = s.training_set(features=[view(mlp.count(over="1d"))], labels=s.labels(start="2024-03-04"))
    times = [MONDAY + DAY, MONDAY + DAY - timedelta(microseconds=1)]
    labels = {"user_id": [1, 1], "at": times, "bought": [1, 0], "hour": [0, 0]}
    assert testing.training_set(spec, labels, rows(MONDAY), split=False)["value"].to_list() == [None, 1]


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (mlp.total("amount", over="1d"), 4), (mlp.count(over="1d"), 3), (mlp.count_distinct("amount", over="1d"), 1),
        (mlp.mean("amount", over="1d"), 2), (mlp.minimum("amount", over="1d"), 2),
        (mlp.maximum("amount", over="1d"), 2),
        (mlp.latest("amount", over="1d"), 2), (mlp.first("amount", over="1d"), 2), (mlp.std("amount", over="1d"), 0),
        (mlp.attribute("amount"), None), (mlp.count(over="1d", where=pl.col("amount") > 1), 2),
    ],
)  # fmt: skip
def test_nulls_are_skipped_and_duplicates_count(feature: mlp.Aggregation, expected: float | None) -> None:
    """Two equal events at one time, and a later event with a null."""
    events = rows(MONDAY + HOUR, MONDAY + HOUR, MONDAY + 2 * HOUR, amounts=[2.0, 2.0, None])
    assert value(feature, events, MONDAY + DAY) == expected


def test_rows_without_a_key_or_a_time_are_left_out() -> None:
    events = {"user_id": [1, None, 1], "amount": [1.0, 1.0, 1.0], "at": [MONDAY, MONDAY, None]}
    frame = testing.table(view(mlp.count(over="1d")), events)
    assert frame.select("user_id", "value").rows() == [(1, 1)]


def test_labels_without_a_target_are_left_out_and_equal_labels_stay() -> None:
    spec = s.training_set(features=[view(mlp.count(over="1d"))], labels=s.labels(start="2024-03-04"))
    labels = {"user_id": [1, 1, 1], "at": [MONDAY + DAY] * 3, "bought": [1, 1, None], "hour": [0, 0, 0]}
    assert testing.training_set(spec, labels, rows(MONDAY), split=False)["bought"].to_list() == [1, 1]


def test_each_of_two_equal_ingested_rows_has_its_own_arrival() -> None:
    once = pl.DataFrame({"user_id": [1], "at": [MONDAY.replace(tzinfo=UTC)]})
    stored = stamp_arrivals(once, once.clear(), Arrival(MONDAY.replace(tzinfo=UTC), bounds=False))
    later = Arrival((MONDAY + DAY).replace(tzinfo=UTC), bounds=True)
    again = stamp_arrivals(pl.concat([once, once]), stored, later)
    assert again["ingested_at"].to_list() == [None, later.time]
    assert again["withdrawn_at"].to_list() == [None, None]
    gone = stamp_arrivals(once.clear(), stored, later)
    assert gone["withdrawn_at"].to_list() == [later.time]


def test_times_are_converted_to_utc() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    day = mlp.count(over="1d")
    assert value(day, rows(MONDAY), MONDAY + DAY) == 1
    # Half past midnight in Berlin is still the day before in UTC.
    assert value(day, rows(datetime(2024, 3, 6, 0, 30, tzinfo=berlin)), "2024-03-06") == 1
    assert value(day, rows(datetime(2024, 3, 6, 1, 30, tzinfo=berlin)), "2024-03-06") is None
    assert value(day, rows(date(2024, 3, 5)), "2024-03-06") == 1
    assert value(day, rows(MONDAY + 2 * DAY), datetime(2024, 3, 7, 1, tzinfo=berlin)) == 1


@pytest.mark.parametrize(("night", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_a_clock_change_changes_no_window(night: str, hours: int) -> None:
    """One event per hour. The day in Berlin has 23 or 25 of them, a window of one day always 24."""
    berlin, first = ZoneInfo("Europe/Berlin"), datetime.fromisoformat(night)
    begins = (first - DAY).replace(tzinfo=berlin).astimezone(UTC)
    times = [(begins + n * HOUR).astimezone(berlin) for n in range(4 * 24)]
    assert sum(time.date() == first.date() for time in times) == hours
    source = {"start": f"{begins:%Y-%m-%d}"}
    moments = [datetime.fromisoformat(f"{first + n * DAY:%Y-%m-%d}") for n in (0, 1, 2)]
    assert [value(mlp.count(over="1d"), rows(*times), at, **source) for at in moments] == [24, 24, 24]
    since = mlp.days_since_last(over="7d")
    last = (first + DAY).replace(tzinfo=berlin)
    real = (moments[2].replace(tzinfo=UTC) - last.astimezone(UTC)) / DAY
    assert value(since, rows(last), moments[2], **source) == pytest.approx(real, rel=1e-15)  # days times a reciprocal


def test_weeks_begin_on_the_weekday_of_the_start() -> None:
    weekly = s.view(source=s.source(start="2024-03-06"), features={"value": mlp.count(over="7d")}, every="1w", ttl=None)
    moments = testing.table(weekly, rows(datetime(2024, 3, 6)))["event_time"].to_list()
    assert moments == [datetime(2024, 3, 13, tzinfo=UTC)]


def test_an_expression_reads_the_events_in_order_of_time() -> None:
    events = rows(MONDAY + 2 * HOUR, MONDAY, amounts=[9.0, 4.0])
    assert (
        value(mlp.expression(pl.col("amount").last() - pl.col("amount").first(), over="1d"), events, MONDAY + DAY) == 5
    )
