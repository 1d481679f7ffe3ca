"""The rows of a view with several moments a day are the rows of each moment, in as few rows as possible."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.compute import window_slices
from mlp_assets.features.compute.windows import feature_rows, standing_rows
from mlp_assets.tables.standing_rows import UNTIL, merge_alike, written_out
from tests.support.aggregations import START
from tests.support.drawn_events import SPAN, Event, event, exact, frame, view

HOUR = timedelta(hours=1)


def merged(rows: pl.DataFrame, features: tuple[str, ...]) -> pl.DataFrame:
    return merge_alike(rows, ["user_id"], features, HOUR)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_rows_written_out_are_those_of_each_moment(data: st.DataObject) -> None:
    events = data.draw(st.lists(event(), min_size=1, max_size=30))
    amounts = data.draw(st.lists(exact, min_size=len(events), max_size=len(events)))
    drawn = frame(events, 1).with_columns(amount=pl.Series(amounts))
    spending = view(1, attribute=data.draw(st.booleans()))
    hours = data.draw(st.sets(st.integers(0, SPAN + 8), min_size=1, max_size=SPAN + 8))
    moments = [START + HOUR * hour for hour in sorted(hours)]
    standing, dense = standing_rows(spending, drawn, moments), feature_rows(spending, drawn, moments)
    out = written_out(standing.lazy(), HOUR).sort("event_time", "user_id", "known_at").collect()
    assert out.select(dense.columns).equals(dense)
    by_hand = merged(dense.with_columns(pl.col("event_time").alias(UNTIL)), spending.feature_names)
    assert standing.equals(by_hand.select(standing.columns))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_rows_computed_in_steps_are_those_computed_at_once(data: st.DataObject) -> None:
    events = data.draw(st.lists(event(), min_size=1, max_size=30))
    drawn, spending = frame(events, 1), view(1, attribute=False)
    moments = [START + HOUR * hour for hour in range(SPAN + 8)]
    cut = data.draw(st.integers(1, len(moments) - 1))
    steps = [standing_rows(spending, drawn, part) for part in (moments[:cut], moments[cut:])]
    together = merged(pl.concat(steps), spending.feature_names)
    assert together.equals(standing_rows(spending, drawn, moments))


def test_a_row_is_made_only_where_a_value_changes() -> None:
    """One event enters five windows at once, and leaves them after 1.5, 2.5, 3 and 5 hours."""
    events = [Event(0, 90, 1.0, 90, None, None, late=False)]
    moments = [START + HOUR * hour for hour in range(1, 12)]
    rows = standing_rows(view(1, attribute=False), frame(events, 1), moments)
    hours = [((row["event_time"] - START) // HOUR, (row[UNTIL] - START) // HOUR) for row in rows.to_dicts()]
    assert hours == [(2, 3), (4, 4), (5, 6), (7, 7)]


def test_windows_that_do_not_fit_into_memory_give_the_same_rows() -> None:
    events = [Event(number % 2, 37 * number, 1.0, 37 * number, None, None, late=False) for number in range(20)]
    moments = [START + HOUR * hour for hour in range(SPAN)]
    whole = standing_rows(view(1, attribute=True), frame(events, 1), moments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_slices, "_MOST_READ", 3)
        assert standing_rows(view(1, attribute=True), frame(events, 1), moments).equals(whole)
