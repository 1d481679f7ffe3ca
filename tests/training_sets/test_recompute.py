"""The second way to compute a feature agrees with the first, whatever the events are."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.training_sets.compute.recompute import MISSING, recompute
from tests.support.aggregations import FEATURES, MOMENTS, START, VIEW

numbers = st.one_of(st.none(), st.floats(-1e5, 1e5), st.integers(-3, 3).map(float), st.just(float("nan")))
loose = st.tuples(st.floats(0, 6.5), numbers, st.sampled_from([0.0, 0.0, 0.3, 1.7]))


@given(st.lists(loose, min_size=1, max_size=30), st.sampled_from(["zero", "missing"]))
@settings(max_examples=60, deadline=None)
def test_both_ways_agree(rows: list[tuple[float, float | None, float]], empty: Literal["zero", "missing"]) -> None:
    at = [START + timedelta(days=day) for day, *_ in rows]
    known = [time + timedelta(days=lag) for time, (*_, lag) in zip(at, rows, strict=True)]
    data = {"user_id": [1] * len(rows), "amount": [row[1] for row in rows], "at": at, "known_at": known}
    data |= {"__late": [row[2] > 0 for row in rows], "withdrawn_at": [None] * len(rows)}
    times = dict.fromkeys(("at", "known_at", "withdrawn_at"), UTC_TIME)
    events = pl.DataFrame(data, schema_overrides={"amount": pl.Float64, **times}).with_columns(__declared_at="known_at")
    for row in feature_rows(replace(VIEW, empty=empty), events.lazy(), MOMENTS).to_dicts():
        known_events = events.filter(pl.col("known_at") <= row["known_at"])
        end = row["event_time"]
        window = known_events.filter(pl.col("at") < end, pl.col("at") >= end - timedelta(days=4))
        for name, feature in FEATURES.items():
            value = recompute(feature, known_events, "at", end, empty=empty) if window.height else MISSING
            assert value.agrees(row[name]), (name, row, value)
