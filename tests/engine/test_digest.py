"""The canonical digest: equal for equal content, different for any difference."""

from decimal import Decimal

import polars as pl

from mlp_assets.engine.digest import canonical_digest

FRAME = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "yz"], "c": [0.1, float("nan"), None]})


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    assert canonical_digest(FRAME) == canonical_digest(FRAME.reverse().select("c", "a", "b"))


def test_decimals_count_by_value() -> None:
    def prices() -> pl.DataFrame:
        return pl.DataFrame({"price": [Decimal("1.10"), None, Decimal("2.20")]}, schema={"price": pl.Decimal(10, 2)})

    assert canonical_digest(prices()) == canonical_digest(prices())
    assert canonical_digest(prices()) != canonical_digest(prices().with_columns(pl.col("price") + Decimal("0.01")))


def test_any_difference_shows() -> None:
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
