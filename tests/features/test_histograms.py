"""The histograms of a view can be drawn for any values and any number of features."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.features.compute.histograms import features_picture
from mlp_assets.features.compute.statistics import statistics

numbers = st.none() | st.sampled_from([0.0, 1.0, -1e308, 1e308, 5e-324, float("nan")]) | st.floats()


@given(st.lists(numbers, max_size=8))
@settings(max_examples=15)
def test_any_values_can_be_drawn(values: list[float | None]) -> None:
    rows = pl.DataFrame({"event_time": [datetime(2024, 1, 1, tzinfo=UTC)] * len(values), "x": values}, strict=False)
    assert features_picture(statistics(rows.cast({"x": pl.Float64}), ["x"]).to_dicts()).startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [1, 4, 30])
def test_the_picture_is_small_for_any_number_of_features(count: int) -> None:
    names = [f"a_feature_with_a_name_that_is_far_too_long_{number}" for number in range(count)]
    rows = pl.DataFrame({name: range(1000) for name in names}).with_columns(event_time=datetime(2024, 1, 1, tzinfo=UTC))
    assert len(features_picture(statistics(rows, names).to_dicts())) < 50_000
