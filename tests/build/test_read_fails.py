"""A read function that Polars cannot compute is told in a sentence, with the cure of the most frequent fault."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from tests.build import shop
from tests.build.platform import Platform, failure, weeks


def without_zone(window: mlp.Window) -> pl.LazyFrame:
    naive = pl.col("bought_at").dt.replace_time_zone(None)
    return shop.read_purchases(window).with_columns(naive).lazy().filter(pl.col("bought_at") >= window.start)


def with_a_typo(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).filter(pl.col("amuont") > 1)


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (without_zone, "write filter(window.holds('bought_at'))."),
        (with_a_typo, 'read(2024-01-01 to 2024-01-08) cannot be computed: unable to find column "amuont"'),
    ],
)
def test_it_is_told(home: Path, read: Callable[..., pl.DataFrame], sentence: str) -> None:
    made = Platform(shop.make(sources=shop.ingested(read)), home)
    told = failure(made.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "Source 'purchases': read(" in told
    assert sentence in told
