"""Trailing windows against a brute-force oracle."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.engine.windows import as_declared, features_at
from mlp_assets.spec.errors import UnknownSourceColumn
from tests.spec import samples as s

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


def oracle(rows: list[tuple[int, int, int | None]], user: int) -> dict[str, float | None]:
    def within(days: int) -> list[tuple[int, int | None]]:
        return [(hours, amount) for u, hours, amount in rows if u == user and 0 < hours <= days * 24]

    nine, three = within(9), within(3)
    values = [amount for _, amount in nine if amount is not None]
    recent = [amount for _, amount in three if amount is not None]
    known = sorted(((-hours, amount) for hours, amount in nine if amount is not None))
    return {
        "spend_3d": sum(recent), "spend_9d": sum(values), "visits": len(nine), "amounts": len(set(values)),
        "mean": sum(recent) / len(recent) if recent else None,
        "smallest": min(values, default=None), "largest": max(values, default=None),
        "newest": known[-1][1] if known else None,
        "since": min(hours for hours, _ in nine) / 24,
        "large": len([value for value in values if value > 5]),
    }  # fmt: skip


@given(events)
@settings(max_examples=60, deadline=None)
def test_features_equal_the_oracle(rows: list[tuple[int, int, int | None]]) -> None:
    found = features_at(VIEW, as_declared(VIEW.source, frame(rows).lazy()), END)
    users = sorted({user for user, hours, _ in rows if 0 < hours <= 9 * 24})
    assert found["user_id"].to_list() == users
    for row in found.to_dicts():
        expected = oracle(rows, row["user_id"])
        assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_the_order_of_events_does_not_change_a_bit() -> None:
    rows = pl.DataFrame(
        {"user_id": [1] * 500, "amount": [0.1 * i for i in range(500)], "at": [END - timedelta(hours=1)] * 500}
    )
    found = {
        features_at(VIEW, as_declared(VIEW.source, rows.sample(fraction=1, shuffle=True, seed=seed).lazy()), END)[
            "spend_3d"
        ][0]
        for seed in range(20)
    }
    assert len(found) == 1


def test_an_event_counts_only_from_when_it_was_known() -> None:
    late = s.view(source=s.source(delay="2d"), features=FEATURES)
    rows = as_declared(late.source, frame([(1, 24, 3), (1, 72, 4)]).lazy())
    assert features_at(late, rows, END)["visits"].to_list() == [1.0]


def test_a_missing_column_is_named_with_the_closest_match() -> None:
    data = pl.LazyFrame({"user_id": [1], "amnt": [1.0], "at": [END]})
    with pytest.raises(UnknownSourceColumn, match="'amount' is missing. Did you mean 'amnt'?"):
        as_declared(s.source(), data)


def test_a_retyped_column_is_refused() -> None:
    data = pl.LazyFrame({"user_id": [1], "amount": ["1.0"], "at": [END]})
    with pytest.raises(UnknownSourceColumn, match="column 'amount' is declared as Float64 but its data holds String"):
        as_declared(s.source(), data)
