"""Derived features are finite or null, with the same bits whatever other rows there are; keys keep their types."""

import math

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.tables.derived import computable, with_derived

EXPRESSIONS = {
    "third": pl.col("a") / 3,
    "tenths": pl.col("a") // 0.1,
    "rest": pl.col("a") % 0.1,
    "cube": pl.col("a") ** 3,
    "root": pl.col("a") ** 0.5,
    "of_third": pl.col("third").fill_null(1.0) / 7,
    "inverse": 1 / pl.col("a"),
}


@given(st.lists(st.none() | st.floats() | st.integers(0, 50).map(float), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_row_has_the_same_bits_alone_and_among_others(values: list[float | None]) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Float64})
    together = with_derived(frame, EXPRESSIONS, ["a"])
    alone = pl.concat(with_derived(frame[row : row + 1], EXPRESSIONS, ["a"]) for row in range(frame.height))
    assert [list(map(repr, row)) for row in together.rows()] == [list(map(repr, row)) for row in alone.rows()]
    chunked = with_derived(pl.concat([frame[row : row + 1] for row in range(frame.height)]), EXPRESSIONS, ["a"])
    repeated = with_derived(pl.select(a=pl.repeat(frame["a"][0], 3, dtype=pl.Float64)), EXPRESSIONS, ["a"])
    assert list(map(repr, chunked.rows())) == list(map(repr, together.rows()))
    assert repr(repeated.row(0)) == repr(together.row(0))
    assert all(value is None or math.isfinite(value) for row in together.rows() for value in row)


def test_numbers_become_floats_and_keys_keep_their_type() -> None:
    frame = pl.DataFrame({"user_id": [12], "yes": [True], "count": pl.Series([3], dtype=pl.UInt32)})
    expressions = {
        "letters": pl.col("user_id").cast(pl.String).str.len_chars(),
        "minus": pl.col("count") - 4,  # below zero, where an unsigned number would have wrapped around
        "twice": pl.col("yes") + pl.col("yes"),
    }
    derived = with_derived(frame, expressions, ["yes", "count"])
    assert derived.row(0) == (12, 1.0, 3.0, 2.0, -1.0, 2.0)
    assert derived.schema["user_id"] == pl.Int64


def test_an_empty_frame_stays_empty() -> None:
    frame = pl.DataFrame({"a": []}, schema={"a": pl.Float64})
    assert with_derived(frame, EXPRESSIONS, ["a"]).shape == (0, 1 + len(EXPRESSIONS))


def test_an_expression_is_computable_if_its_columns_are_there_or_computed_before_it() -> None:
    expressions = {
        "twice": pl.col("a") * 2,
        "ratio": pl.col("a") / pl.col("b"),
        "of_twice": pl.col("twice") + 1,
        "of_ratio": pl.col("ratio") + 1,
        "total": pl.sum_horizontal(pl.all()),
    }
    assert list(computable(expressions, ["a"])) == ["twice", "of_twice"]
    assert list(computable(expressions, ["a", "b"])) == list(expressions)
