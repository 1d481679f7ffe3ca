"""Aggregations over trailing windows against a brute-force oracle."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.errors import UnknownSourceColumn
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.events import as_declared, as_events
from tests.support import samples as s

END = datetime(2024, 3, 1, tzinfo=UTC)
FEATURES = {
    "spend_3d": mlp.total("amount", over="3d"),
    "spend_9d": mlp.total("amount", over="9d"),
    "visits": mlp.count(over="9d"),
    "amounts": mlp.count_distinct("amount", over="9d"),
    "mean": mlp.mean("amount", over="3d"),
    "smallest": mlp.minimum("amount", over="9d"),
    "largest": mlp.maximum("amount", over="9d"),
    "newest": mlp.latest("amount", over="9d"),
    "since": mlp.days_since_last(over="9d"),
    "large": mlp.count(over="9d", where=pl.col("amount") > 5),
}
VIEW = s.view(features=FEATURES)
events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 12 * 24), st.one_of(st.none(), st.integers(0, 9))),
    min_size=1,
    max_size=40,
)


def frame(rows: list[tuple[int, int, int | None]]) -> pl.DataFrame:
    times = [END - timedelta(hours=hours) for _, hours, _ in rows]
    amounts = [None if amount is None else float(amount) for _, _, amount in rows]
    data = {"user_id": [user for user, _, _ in rows], "amount": amounts, "at": times}
    return pl.DataFrame(data, schema_overrides={"amount": pl.Float64})


def oracle(rows: list[tuple[int, int, int | None]], user: int, later: int = 0) -> dict[str, float | None]:
    """The features of a user ``later`` hours after END, computed from the plain rows."""

    def within(days: int) -> list[tuple[int, int | None]]:
        ages = [(hours + later, amount) for u, hours, amount in rows if u == user]
        return [(age, amount) for age, amount in ages if 0 < age <= days * 24]

    nine, three = within(9), within(3)
    values = [amount for _, amount in nine if amount is not None]
    recent = [amount for _, amount in three if amount is not None]
    known = sorted(((-hours, amount) for hours, amount in nine if amount is not None))
    return {
        "spend_3d": sum(recent), "spend_9d": sum(values), "visits": len(nine), "amounts": len(set(values)),
        "mean": sum(recent) / len(recent) if recent else None,
        "smallest": min(values, default=None), "largest": max(values, default=None),
        "newest": known[-1][1] if known else None,
        "since": min(hours for hours, _ in nine) / 24 if nine else None,
        "large": len([value for value in values if value > 5]),
    }  # fmt: skip


def expected_row(rows: list[tuple[int, int, int | None]], user: int, later: int = 0) -> dict[str, float | None]:
    """The oracle's values; all missing for a user without an event in the longest window."""
    values = oracle(rows, user, later)
    return values if values["visits"] else dict.fromkeys(values)


@given(events)
@settings(max_examples=60, deadline=None)
def test_features_equal_the_oracle(rows: list[tuple[int, int, int | None]]) -> None:
    table = feature_rows(VIEW, as_events(VIEW.source, frame(rows).lazy()), [END])
    users = sorted({user for user, hours, _ in rows if 0 < hours <= (9 + 1) * 24})
    assert table["user_id"].to_list() == users
    for row in table.to_dicts():
        expected = expected_row(rows, row["user_id"])
        assert {name: row[name] for name in expected} == pytest.approx(expected)


@given(events)
@settings(max_examples=25, deadline=None)
def test_at_any_later_time_the_newest_row_has_its_windows_values(
    rows: list[tuple[int, int, int | None]],
) -> None:
    known, days = as_events(VIEW.source, frame(rows).lazy()), range(0, 20)
    table = feature_rows(VIEW, known, [END + timedelta(days=day) for day in days])
    asked = pl.DataFrame({"user_id": [0, 1, 2], "day": [list(days)] * 3}).explode("day")
    asked = asked.with_columns(asked_at=pl.lit(END) + pl.duration(days="day", hours=6))
    features = FeatureTable(table.lazy(), ("user_id",), tuple(FEATURES), VIEW.ttl_length)
    for row in join_as_visible(asked.lazy(), "asked_at", [features]).collect().to_dicts():
        expected = expected_row(rows, row["user_id"], later=row["day"] * 24)
        assert {name: row[name] for name in expected} == pytest.approx(expected)


def never_null() -> dict[str, pl.Expr]:
    return {"spend": pl.col("spend_9d").fill_null(0.0)}


@pytest.mark.parametrize(("every", "visits"), [("1d", [1.0] * 9 + [None]), ("1w", [1.0, 1.0, None])])
def test_an_entity_that_goes_quiet_gets_one_closing_row(every: str, visits: list[float | None]) -> None:
    view = s.view(features=FEATURES, every=every, derive=never_null)
    known = as_events(view.source, frame([(1, 1, 50)]).lazy())
    step = {"1d": 1, "1w": 7}[every]
    rows = feature_rows(view, known, [END + timedelta(days=step * n) for n in range(30)])
    assert rows["visits"].to_list() == visits
    closing = rows.row(-1, named=True)
    assert [closing[name] for name in view.feature_names] == [None] * (len(FEATURES) + 1)


def divisions_by_zero() -> dict[str, pl.Expr]:
    return {"per_visit": pl.col("spend") / pl.col("visits"), "inverse": 1 / pl.col("spend")}


def test_no_feature_row_holds_nan_or_infinity() -> None:
    view = s.view(
        features={"spend": mlp.total("amount", "3d"), "visits": mlp.count("3d"), "seen": mlp.count("9d")},
        derive=divisions_by_zero,
    )
    data = {"user_id": [1, 2, 3], "amount": [1.0, float("nan"), float("inf")]}
    times = [END - timedelta(hours=80), END - timedelta(hours=1), END - timedelta(hours=1)]
    rows = feature_rows(view, as_events(view.source, pl.LazyFrame(data | {"at": times})), [END])
    assert rows.select("user_id", *view.feature_names).rows() == [
        (1, 0.0, 0.0, 1.0, None, None),  # 0 / 0 and 1 / 0
        (2, None, 1.0, 1.0, None, None),
        (3, None, 1.0, 1.0, None, None),
    ]


def test_the_order_of_events_does_not_change_a_bit() -> None:
    rows = pl.DataFrame(
        {"user_id": [1] * 500, "amount": [0.1 * i for i in range(500)], "at": [END - timedelta(hours=1)] * 500}
    )
    sums = {
        feature_rows(VIEW, as_events(VIEW.source, rows.sample(fraction=1, shuffle=True, seed=seed).lazy()), [END])[
            "spend_3d"
        ][0]
        for seed in range(20)
    }
    assert len(sums) == 1


def test_an_event_counts_only_from_when_it_was_known() -> None:
    late = s.view(source=s.source(delay="2d"), features=FEATURES)
    rows = as_events(late.source, frame([(1, 24, 3), (1, 72, 4)]).lazy())
    assert feature_rows(late, rows, [END])["visits"].to_list() == [1.0]


def test_a_missing_column_is_named_with_the_closest_match() -> None:
    data = pl.LazyFrame({"user_id": [1], "amnt": [1.0], "at": [END]})
    with pytest.raises(UnknownSourceColumn, match="'amount' is missing. Did you mean 'amnt'?"):
        as_declared(s.source(), data)


def test_a_retyped_column_is_refused() -> None:
    data = pl.LazyFrame({"user_id": [1], "amount": ["1.0"], "at": [END]})
    with pytest.raises(UnknownSourceColumn, match="column 'amount' is declared as Float64 but its data holds String"):
        as_declared(s.source(), data)


DECLARED: dict[str, tuple[dict[str, object], str]] = {
    "a Python type": ({"user_id": int}, "'user_id' is declared as <class 'int'>, which is no Polars type. Write"),
    "an event time of text": ({"at": pl.String}, "event_time='at' is declared as String, which is not a time."),
    "an event time of days": ({"at": pl.Date}, "Write columns={'at': pl.Datetime}, and make it a time in the data."),
}


@pytest.mark.parametrize("case", DECLARED)
def test_a_declaration_that_cannot_work_is_refused(case: str) -> None:
    change, message = DECLARED[case]
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime} | change
    with pytest.raises(UnknownSourceColumn, match=re.escape(message)):
        as_declared(s.source(columns=columns), frame([(1, 1, 1)]).lazy())


def test_an_event_time_that_is_text_in_the_data_is_refused() -> None:
    data = pl.LazyFrame({"user_id": [1], "amount": [1.0], "at": ["2024-03-01"]})
    with pytest.raises(UnknownSourceColumn, match="its data holds String. .* make it a time in the data."):
        as_declared(s.source(), data)
