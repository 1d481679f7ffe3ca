"""Rows held from one change of a window to the next, against a brute force over each moment and version."""

from collections.abc import Sequence
from datetime import timedelta
from statistics import stdev

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.compute import window_slices
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.nouns.aggregation import Aggregation
from mlp_assets.nouns.feature_view import FeatureView
from tests.support.aggregations import START
from tests.support.drawn_events import SPAN, Event, event, exact, frame, view

Row = dict[str, float | None]


def brute_value(part: Aggregation, events: Sequence[Event], moment: int) -> float | None:
    """The value of one window at a moment; ``events`` are known, of one entity, and in order."""
    length = float("inf") if part.over is None else int(part.over[:-1]) * {"m": 1, "h": 60}[part.over[-1]]
    held = [each for each in events if moment - length <= each.at < moment]
    held = [each for each in held if part.where is None or (each.amount is not None and each.amount > 0.5)]
    dated = [(each.at, each.amount) for each in held if each.amount is not None]
    amounts = [amount for _, amount in dated]
    match part.kind:
        case "total" | "expression":
            return sum(amounts) if held or part.kind == "total" else None
        case "count":
            return len(held)
        case "count_distinct":
            return len(set(amounts))
        case "mean":
            return sum(amounts) / len(amounts) if amounts else None
        case "std":
            return stdev(amounts) if len(amounts) > 1 else None
        case "minimum":
            return min(amounts, default=None)
        case "maximum":
            return max((2 * amount for amount in amounts), default=None)
        case "latest":
            return max(dated)[1] if dated else None
        case "first":
            return min(dated)[1] if dated else None
        case "days_since_last":
            return (moment - max(each.at for each in held)) / 1440 if held else None
        case "attribute":
            newest = held[-1] if held else None
            ended = newest is not None and part.until is not None and newest.until is not None
            return None if newest is None or (ended and newest.until <= moment) else newest.amount


def in_order(events: Sequence[Event]) -> list[Event]:
    def first_null(value: float | None) -> tuple[bool, float]:
        return (value is not None, value or 0.0)

    return sorted(
        events, key=lambda each: (each.at, each.known, *map(first_null, (each.gone, each.amount, each.until)))
    )


def brute_row(
    hourly: FeatureView, events: Sequence[Event], moment: int, version: int
) -> dict[str, float | None] | None:
    """One row as known at a version, None if there is none; ``hourly`` is the view at a cadence of an hour."""
    known = [each for each in in_order(events) if each.known <= (version if each.late else moment)]
    known = [each for each in known if each.gone is None or each.gone > version]
    reach = float("inf") if hourly.lookback is None else 6 * 60
    if not [each for each in known if moment - reach <= each.at < moment]:
        return None
    row: Row = {}
    for name, feature in hourly.features.items():
        parts = [brute_value(part, known, moment) for part in feature.parts]
        row[name] = parts[0] if len(parts) == 1 else (parts[0] or 0.0) / parts[1] if parts[1] else None
    row["per_visit"] = (row["spend"] or 0.0) / row["visits"] if row["visits"] else None
    quiet = hourly.lookback is not None and not [each for each in known if moment - 300 <= each.at < moment]
    return dict.fromkeys(row) if quiet else row


def scaled(row: Row, hours: int) -> Row:
    return {name: value * hours if name == "since" and value is not None else value for name, value in row.items()}


@given(st.lists(event(), min_size=1, max_size=25), st.sampled_from([1, 6, 24]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_each_row_and_version_has_the_values_of_its_windows(events: list[Event], hours: int, attribute: bool) -> None:
    hourly = view(1, attribute=attribute)
    moments = [START + timedelta(hours=hours * step) for step in range(SPAN + 10)]
    table = feature_rows(view(hours, attribute=attribute), frame(events, hours), moments)
    rows = {(row["user_id"], row["event_time"], row["known_at"]): row for row in table.to_dicts()}
    assert len(rows) == table.height
    for user in {each.user for each in events}:
        own = [each for each in events if each.user == user]
        changes = {time for each in own for time in (each.known, each.gone) if time is not None}
        for step, moment in enumerate(moments):
            stored: Row = dict.fromkeys(hourly.feature_names)
            for version in [step * 60, *sorted(time for time in changes if time > step * 60)]:
                known_at = START + timedelta(minutes=version * hours)
                row, wanted = rows.pop((user, moment, known_at), None), brute_row(hourly, own, step * 60, version)
                if version == step * 60:
                    assert (row is None) == (wanted is None)
                stored = row or stored
                wanted = scaled(wanted or dict.fromkeys(hourly.feature_names), hours)
                assert {name: stored[name] for name in wanted} == pytest.approx(wanted, abs=1e-12)
    assert not rows


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_row_has_the_same_bits_whatever_is_computed_with_it(data: st.DataObject) -> None:
    """Also with windows that do not fit into memory together, and own expressions that add floats."""
    events = data.draw(st.lists(event(), min_size=1, max_size=30))
    hours, attribute = data.draw(st.sampled_from([1, 24])), data.draw(st.booleans())
    amounts = data.draw(st.lists(exact, min_size=len(events), max_size=len(events)))
    drawn, spending = frame(events, hours).with_columns(amount=pl.Series(amounts)), view(hours, attribute=attribute)
    moments = [START + timedelta(hours=hours * step) for step in range(SPAN + 8)]
    whole = feature_rows(spending, drawn, moments)
    few = sorted(data.draw(st.sets(st.sampled_from(moments), min_size=1, max_size=4)))
    users = sorted({each.user for each in events})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_slices, "_MOST_READ", 3)
        alone = [feature_rows(spending, drawn.filter(user_id=user), [moment]) for moment in few for user in users]
    wanted = whole.filter(pl.col("event_time").is_in(few))
    assert pl.concat(alone).equals(wanted)


def test_a_large_group_of_own_sums_has_the_same_bits_alone() -> None:
    """Polars adds up long slices in blocks, and other groups in order."""
    amounts = [0.1 * (number % 13) + 1e6 * (number % 5 == 0) for number in range(3000)]
    events = [
        Event(0, number % (SPAN * 60), 0.0, number % (SPAN * 60), None, None, late=False) for number in range(3000)
    ]
    drawn = frame(events, 1).with_columns(amount=pl.Series(amounts))
    moments = [START + timedelta(hours=step) for step in range(SPAN)]
    whole = feature_rows(view(1, attribute=False), drawn, moments)
    assert whole.equals(pl.concat([feature_rows(view(1, attribute=False), drawn, [moment]) for moment in moments]))
