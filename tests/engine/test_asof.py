"""The as-known join against a brute-force oracle: nothing from the future, TTL, ties, late rows."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.engine.asof import FeatureTable, join_as_known

DAY = datetime(2024, 1, 1, tzinfo=UTC)
feature_rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10), st.integers(0, 10)), max_size=20, unique=True)
spine_rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 14)), min_size=1, max_size=20)


def at(day: int) -> datetime:
    return DAY + timedelta(days=day)


def best(rows: list[tuple[int, int, int]], key: int, day: int, ttl: int | None) -> float | None:
    """Rows are (key, event day, days until known); the value is the row's number."""
    seen = [(e, max(e, e + lag), value) for value, (k, e, lag) in enumerate(rows) if k == key and e + lag <= day]
    if not seen:
        return None
    event, _, value = max(seen)
    return None if ttl is not None and day - event > ttl else float(value)


@given(feature_rows, spine_rows, st.sampled_from([None, 0, 3]))
@settings(max_examples=150, deadline=None)
def test_each_row_sees_the_newest_row_known_at_its_time(
    rows: list[tuple[int, int, int]], spine: list[tuple[int, int]], ttl: int | None
) -> None:
    features = pl.DataFrame(
        {
            "key": [key for key, _, _ in rows],
            "event_time": [at(event) for _, event, _ in rows],
            "known_at": [at(event + lag) for _, event, lag in rows],
            "value": [float(number) for number in range(len(rows))],
        },
        schema={
            "key": pl.Int64,
            "event_time": pl.Datetime("us", "UTC"),
            "known_at": pl.Datetime("us", "UTC"),
            "value": pl.Float64,
        },
    )
    asked = pl.DataFrame(
        {"key": [k for k, _ in spine], "at": [at(day) for _, day in spine], "row": list(range(len(spine)))}
    )
    asked = asked.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    table = FeatureTable(features.lazy(), ("key",), ("value",), timedelta(days=ttl) if ttl is not None else None)
    found = join_as_known(asked.lazy(), "at", [table]).collect().sort("row")
    assert found["value"].to_list() == [best(rows, key, day, ttl) for key, day in spine]
    assert found.columns == ["key", "at", "row", "value"]
