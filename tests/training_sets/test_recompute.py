"""The certificate's second way agrees with the engine on whatever events there are."""

from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.training_sets.compute.recompute import Answer, answer
from tests.support.aggregations import FEATURES, MOMENTS, START, VIEW

numbers = st.one_of(st.none(), st.floats(-1e5, 1e5), st.integers(-3, 3).map(float), st.just(float("nan")))
loose = st.tuples(st.floats(0, 6.5), numbers, st.sampled_from([0.0, 0.0, 0.3, 1.7]))


@given(st.lists(loose, min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_both_ways_agree(rows: list[tuple[float, float | None, float]]) -> None:
    at = [START + timedelta(days=day) for day, *_ in rows]
    known = [time + timedelta(days=lag) for time, (*_, lag) in zip(at, rows, strict=True)]
    data = {"user_id": [1] * len(rows), "amount": [row[1] for row in rows], "at": at, "known_at": known}
    data |= {"late": [row[2] > 0 for row in rows], "withdrawn_at": [None] * len(rows)}
    times = dict.fromkeys(("at", "known_at", "withdrawn_at"), UTC_TIME)
    events = pl.DataFrame(data, schema_overrides={"amount": pl.Float64, **times})
    for row in feature_rows(VIEW, events.lazy(), MOMENTS).to_dicts():
        seen = events.filter(pl.col("known_at") <= row["known_at"])
        window = seen.filter(pl.col("at") < row["event_time"], pl.col("at") >= row["event_time"] - timedelta(days=4))
        for name, feature in FEATURES.items():
            told = answer(feature, seen, "at", row["event_time"]) if window.height else Answer(None)
            assert told.agrees(row[name]), (name, row, told)
