"""The statistics of features, against plain Python."""

import math
import statistics as plain
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_assets.features.compute.statistics import (
    BINS,
    QUANTILES,
    SCHEMA,
    current_rows,
    ends,
    null_rate,
    sparkline,
    statistics,
)

AT = datetime(2024, 5, 1, tzinfo=UTC)
numbers = (
    st.integers(-50, 50).map(float)
    | st.floats(-1e9, 1e9)
    | st.sampled_from([0.0, 1.0, float("nan"), float("inf"), -float("inf"), 5e-324, 1e308, -1e308])
)


def table(values: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"event_time": [AT] * len(values), "x": values}, schema_overrides={"x": pl.Float64})


def quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = ordered[math.floor(place)]
    return below + (place - math.floor(place)) * (ordered[math.ceil(place)] - below)


@given(st.lists(st.none() | numbers, max_size=60) | st.lists(st.integers(0, 70).map(float), min_size=1, max_size=60))
def test_statistics_equal_plain_python(values: list[float | None]) -> None:
    (figures,) = statistics(table(values), ["x"]).to_dicts()
    kept = sorted(value for value in values if value is not None and math.isfinite(value))
    assert (figures["rows"], figures["nulls"]) == (len(values), len(values) - len(kept))
    assert sum(figures["histogram"]) == len(kept)
    assert len(figures["histogram"]) <= BINS
    if not kept:
        assert figures["mean"] is None
        assert figures["histogram"] == []
        return
    assert (figures["minimum"], figures["maximum"]) == (kept[0], kept[-1])
    if max(abs(value) for value in kept) > 1e100:
        return  # sums overflow
    scale = max(abs(value) for value in kept)
    assert figures["mean"] == pytest.approx(plain.fmean(kept), rel=1e-9, abs=1e-9 * scale)
    if len(kept) > 1:
        assert figures["std"] == pytest.approx(plain.stdev(kept), rel=1e-6, abs=1e-9 * scale)
    for name, share in QUANTILES.items():
        assert figures[name] == pytest.approx(quantile(kept, share), rel=1e-9, abs=1e-9 * scale)
    assert figures["histogram"] == counted(kept, figures["low"], figures["high"], len(figures["histogram"]))


def counted(values: list[float], low: float, high: float, bins: int) -> list[int]:
    edges = [low + place * ((high - low) / bins) for place in range(bins + 1)]
    counts = [0] * bins
    for value in values:
        counts[min(max(sum(edge <= value for edge in edges) - 1, 0), bins - 1)] += 1
    return counts


def test_whole_numbers_have_bins_of_one_whole_width() -> None:
    (few,) = statistics(table([0.0, 1.0, 1.0, 3.0]), ["x"]).to_dicts()
    assert few["histogram"] == [1, 2, 0, 1]
    assert (few["low"], few["high"]) == (-0.5, 3.5)
    assert ends(few) == (0.0, 3.0)
    (many,) = statistics(table([float(value) for value in range(100)]), ["x"]).to_dicts()
    assert many["histogram"][1:-1] == [5] * 18
    (far,) = statistics(table([float(value) for value in range(1000)] + [1e6]), ["x"]).to_dicts()
    assert far["high"] < 1100
    (broken,) = statistics(table([0.0, 1.5, 4.0]), ["x"]).to_dicts()
    assert ends(broken) == (broken["low"], broken["high"])
    assert min(far["histogram"]) > 30


def test_no_rows_and_no_values_give_nulls() -> None:
    (empty,) = statistics(table([]), ["x"]).to_dicts()
    assert (empty["rows"], empty["newest"], null_rate(empty)) == (0, None, None)
    (missing,) = statistics(table([None, None]), ["x"]).to_dicts()
    assert (missing["newest"], null_rate(missing), missing["mean"]) == (AT, 1.0, None)
    assert statistics(table([]), ["x"]).schema == pl.Schema(SCHEMA)


def test_current_rows_are_newest_versions_without_quiet_entities() -> None:
    later = AT + timedelta(days=1)
    rows = pl.DataFrame(
        [(1, AT, AT, 1.0, 2.0), (1, AT, later, 5.0, None), (2, AT, AT, None, None), (3, AT, AT, 7.0, 1.0)],
        schema=["user", "event_time", "known_at", "x", "y"],
        orient="row",
    )
    kept = current_rows(rows, ["user"], ["x", "y"]).sort("user")
    assert kept.select("user", "x", "y").rows() == [(1, 5.0, None), (3, 7.0, 1.0)]


@pytest.mark.parametrize(
    ("counts", "width", "shown"),
    [([], 10, ""), ([0, 1, 8], 10, " ▁█"), ([1, 1, 1, 0, 0, 0], 3, "█▄ "), ([10_000, 1], 2, "█▁")],
)
def test_a_sparkline_fits_its_width(counts: list[int], width: int, shown: str) -> None:
    assert sparkline(counts, width) == shown
