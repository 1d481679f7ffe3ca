"""Features of columns of every number type equal exact arithmetic: no sum, product or difference wraps around."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.features.compute.representable import RoundedValueError
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.tables.events import as_events
from tests.support import samples as s

END = datetime(2024, 3, 1, tzinfo=UTC)
AT = END - timedelta(hours=1)
BITS = {pl.Int8: 7, pl.Int16: 15, pl.Int32: 31, pl.Int64: 63, pl.UInt8: 8, pl.UInt16: 16, pl.UInt32: 32, pl.UInt64: 64}
TIMES = {"user_id": pl.Int64, "at": pl.Datetime}


def values(features: dict[str, Any], columns: dict[str, Any], data: dict[str, list[Any]]) -> dict[str, Any]:
    """The features of one user whose events happened an hour ago."""
    view = s.view(source=s.source(columns=TIMES | columns), features=features)
    count = len(next(iter(data.values())))
    frame = pl.LazyFrame({"user_id": [1] * count, "at": [AT] * count, **data}, schema_overrides=columns)
    return feature_rows(view, as_events(view.source, frame), [END]).row(0, named=True)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Any, list[int]]:
    """A type of integers and some of its values, often the extreme ones."""
    dtype = draw(st.sampled_from(list(BITS)))
    high = 2 ** BITS[dtype] - 1
    low = 0 if dtype.is_unsigned_integer() else -high - 1
    number = st.one_of(st.sampled_from([low, high]), st.integers(low, high))
    return dtype, draw(st.lists(number, min_size=1, max_size=6))


@given(columns(), columns())
@settings(max_examples=60, deadline=None)
def test_integers_of_every_width_equal_exact_arithmetic(one: tuple[Any, list[int]], two: tuple[Any, list[int]]) -> None:
    count = min(len(one[1]), len(two[1]))
    a, b = one[1][:count], two[1][:count]
    features = {
        "total": mlp.total("a", over="9d"),
        "product": mlp.total(pl.col("a") * pl.col("b") // 8, over="9d"),  # six of the largest fit 128 bits
        "difference": mlp.total(pl.col("a") - pl.col("b"), over="9d"),
        "larger": mlp.count(over="9d", where=pl.col("a") + 1 > pl.col("b")),
        "distinct": mlp.count_distinct("a", over="9d"),
        "per_b": mlp.ratio(mlp.total("a", over="9d"), mlp.total("b", over="9d")),
        "own": mlp.expression(pl.col("a").sum() - pl.len() * 2, over="9d"),
    }
    expected: dict[str, Any] = {
        "total": sum(a),
        "product": sum(x * y // 8 for x, y in zip(a, b, strict=True)),
        "difference": sum(x - y for x, y in zip(a, b, strict=True)),
        "larger": sum(x + 1 > y for x, y in zip(a, b, strict=True)),
        "distinct": len(set(a)),
        "per_b": Fraction(sum(a), sum(b)) if sum(b) else None,
        "own": sum(a) - count * 2,
    }
    row = values(features, {"a": one[0], "b": two[0]}, {"a": a, "b": b})
    for name, value in expected.items():
        assert row[name] == (value if value is None else pytest.approx(float(value), rel=1e-15)), name


def test_four_amounts_of_int32_have_their_true_sum() -> None:
    row = values({"spend": mlp.total("a", over="9d")}, {"a": pl.Int32}, {"a": [1_500_000_000] * 4})
    assert row["spend"] == 6e9


def test_float32_is_summed_in_double_precision() -> None:
    amounts = [0.1, 0.2, 0.7] * 100
    row = values({"spend": mlp.total("a", over="9d")}, {"a": pl.Float32}, {"a": amounts})
    single = pl.Series(amounts, dtype=pl.Float32).cast(pl.Float64).to_list()
    assert row["spend"] == pytest.approx(sum(single), rel=1e-15)


HOUR, TEXT = pl.col("at").dt.hour(), pl.col("text")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (HOUR * 100, 4600.0),  # Int8
        (HOUR**2, 1058.0),
        (TEXT.str.len_chars() - 5, -4.0),  # UInt32
        (pl.col("flag").cast(pl.Int8) * 200, 200.0),
        (pl.sum_horizontal(pl.col("flag"), pl.col("flag")) - 2, -2.0),
        (pl.col("numbers").list.sum(), 8589934588.0),  # a list of Int32
        (pl.when(pl.col("small") > 220).then(pl.col("small") * 2).otherwise(0), 500.0),
        (pl.col("small").cast(pl.UInt8) - 250, -50.0),
        (pl.col("at").dt.epoch("us") * pl.col("small"), 450 * (AT.timestamp() * 1e6)),
    ],
)
def test_numbers_inside_an_expression_do_not_wrap(expression: pl.Expr, expected: float) -> None:
    types = {"text": pl.String, "flag": pl.Boolean, "numbers": pl.List(pl.Int32), "small": pl.UInt8}
    data = {"text": ["abc"] * 2, "flag": [True, False], "numbers": [[2**31 - 1] * 2] * 2, "small": [200, 250]}
    row = values({"value": mlp.total(expression, over="9d")}, types, data)
    assert row["value"] == pytest.approx(expected, rel=1e-15)


def test_counts_inside_an_own_expression_can_be_negative() -> None:
    balance = (pl.col("a") > 3).sum() - (pl.col("a") < 3).sum()
    row = values({"balance": mlp.expression(balance, over="9d")}, {"a": pl.Float64}, {"a": [1.0, 2.0, 9.0]})
    assert row["balance"] == -1.0


def missing() -> dict[str, pl.Expr]:
    return {"surplus": pl.sum_horizontal(pl.col("mean_a").is_null(), pl.col("total_a").is_null()) - 2}


def test_counts_inside_derive_can_be_negative() -> None:
    features = {"mean_a": mlp.mean("a", over="9d"), "total_a": mlp.total("a", over="9d")}
    view = s.view(source=s.source(columns=TIMES | {"a": pl.Float64}), features=features, derive=missing)
    frame = pl.LazyFrame({"user_id": [1], "at": [AT], "a": [2.0]})
    assert feature_rows(view, as_events(view.source, frame), [END])["surplus"].to_list() == [-2.0]


@pytest.mark.parametrize("kind", [mlp.latest, mlp.first, mlp.minimum, mlp.maximum])
def test_a_value_that_a_float_would_round_is_refused(kind: Callable[..., mlp.Aggregation]) -> None:
    account = {"newest": kind("account", over="9d")}
    assert values(account, {"account": pl.Int64}, {"account": [2**53]})["newest"] == 2.0**53
    with pytest.raises(RoundedValueError, match=r"feature 'newest': mlp\.\w+ takes the value 1755555555555555001"):
        values(account, {"account": pl.Int64}, {"account": [1_755_555_555_555_555_001]})


def test_what_is_exact_already_is_computed_as_it_was_written() -> None:
    written = {"per_visit": pl.col("spend") / pl.col("visits"), "log": pl.col("spend").log1p()}
    view = s.view(derive=lambda: written)
    assert all(view.derived[name] is expression for name, expression in written.items())
