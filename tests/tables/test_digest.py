"""The canonical digest: equal for equal content, different for any difference."""

import pickle
import struct
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_assets.tables.digest import canonical_digest, row_sums, row_sums_by

FRAME = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "yz"], "c": [0.1, float("nan"), None]})


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    assert canonical_digest(FRAME) == canonical_digest(FRAME.reverse().select("c", "a", "b"))


def test_decimals_are_compared_by_value() -> None:
    def prices() -> pl.DataFrame:
        return pl.DataFrame({"price": [Decimal("1.10"), None, Decimal("2.20")]}, schema={"price": pl.Decimal(10, 2)})

    assert canonical_digest(prices()) == canonical_digest(prices())
    assert canonical_digest(prices()) != canonical_digest(prices().with_columns(pl.col("price") + Decimal("0.01")))


def test_any_difference_changes_the_digest() -> None:
    others = [
        FRAME.with_columns(pl.col("a").fill_null(0)),
        FRAME.with_columns(c=pl.Series([0.1, 0.2, None])),
        FRAME.with_columns(pl.col("b").fill_null("")),
        FRAME.with_columns(pl.col("a").cast(pl.Int32)),
        FRAME.head(2),
        FRAME.rename({"a": "d"}),
        FRAME.with_columns(b=pl.Series(["xy", None, "z"])),
    ]
    assert len({canonical_digest(frame) for frame in [FRAME, *others]}) == len(others) + 1


def test_sums_of_parts_add_up_to_the_whole() -> None:
    parts = [row_sums(FRAME.slice(begin, 1)) for begin in range(FRAME.height)]
    assert (parts[2] + parts[0] + parts[1]).digest() == canonical_digest(FRAME)
    assert (row_sums(FRAME.clear()) + row_sums(FRAME)).digest() == canonical_digest(FRAME)
    with pytest.raises(ValueError, match="different tables"):
        row_sums(FRAME) + row_sums(FRAME.drop("a"))


def test_the_number_of_equal_rows_matters() -> None:
    one, two = FRAME.head(1), FRAME.slice(1, 1)
    assert canonical_digest(pl.concat([one, one, two])) != canonical_digest(pl.concat([one, two, two]))
    assert canonical_digest(pl.concat([one, one])) != canonical_digest(one)


def test_swapped_values_change_the_digest() -> None:
    def frame(**columns: list[object]) -> pl.DataFrame:
        return pl.DataFrame(columns)

    assert canonical_digest(frame(a=[1, 2], b=[3, 4])) != canonical_digest(frame(a=[1, 2], b=[4, 3]))
    assert canonical_digest(frame(a=[1, 2], b=[3, 4])) != canonical_digest(frame(a=[3, 4], b=[1, 2]))


numbers = st.none() | st.floats() | st.sampled_from([0.0, -0.0, float("nan"), 1.0])
rows = st.lists(
    st.tuples(numbers, st.none() | st.sampled_from(["", "a", "null"]), st.none() | st.booleans()), max_size=6
)


@given(rows, rows)
@settings(max_examples=400)
def test_digests_are_equal_exactly_if_the_rows_are(one: list[object], other: list[object]) -> None:
    def bits(rows: list[object]) -> list[bytes]:
        return sorted(pickle.dumps((a if a is None else struct.pack("<d", a), b, c)) for a, b, c in rows)  # type: ignore[misc]

    schema = {"a": pl.Float64, "b": pl.String, "c": pl.Boolean}
    frames = [pl.DataFrame(given, schema=schema, orient="row") for given in (one, other)]
    same = canonical_digest(frames[0]) == canonical_digest(frames[1])
    assert same == (bits(one) == bits(other))
    assert canonical_digest(frames[0].reverse()) == canonical_digest(frames[0])


def test_the_digest_of_a_table_never_changes() -> None:
    """Digests are compared across versions of the libraries and over years."""
    at = pl.Series([0, 1, None], dtype=pl.Datetime("us", "UTC"))
    frame = FRAME.with_columns(at=at, small=pl.Series([-1, None, 1], dtype=pl.Int16))
    assert canonical_digest(frame) == "b8acf6770ae4084f2915c014c6dee7d54fcaa5812e70d3d42fc3fca3a73886ea"


LISTS = st.lists(
    st.none() | st.lists(st.none() | st.sampled_from([0.0, 1.0, -0.0]), max_size=3), min_size=1, max_size=4
)


@given(one=LISTS, other=LISTS)
def test_lists_are_compared_by_their_values_and_lengths(one: list[object], other: list[object]) -> None:
    dtype = pl.List(pl.Float64)
    digests = [canonical_digest(pl.DataFrame({"a": rows}, schema={"a": dtype})) for rows in (one, other)]
    assert (digests[0] == digests[1]) == (sorted(map(repr, one)) == sorted(map(repr, other)))


def test_the_sums_of_the_values_of_a_column_are_those_of_their_rows() -> None:
    names = [f"p{number}" for number in (0, 1, 1, 2, 0)]
    frame = pl.DataFrame({"name": [name for name in names for _ in range(20_000)], "n": range(100_000)})
    parts = {name: row_sums(frame.filter(name=name)) for name in ("p0", "p1", "p2")}
    assert row_sums_by(frame, "name") == parts
    assert row_sums_by(frame.clear(), "name") == {}
