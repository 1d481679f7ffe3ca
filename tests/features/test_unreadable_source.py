"""A read function that Polars cannot compute is told in a sentence, with the cure of the most frequent fault."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import shop
from tests.support.platform import Platform, failure, weeks


def without_zone(window: mlp.Window) -> pl.LazyFrame:
    naive = pl.col("bought_at").dt.replace_time_zone(None)
    return shop.read_purchases(window).with_columns(naive).lazy().filter(pl.col("bought_at") >= window.start)


def with_a_typo(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).filter(pl.col("amuont") > 1)


def of_any_time(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).with_columns(pl.col("bought_at") + pl.duration(days=3))


def when_asked(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    """By the time of the question, where the window holds what became known."""
    return shop.read_outcomes(window, purchases).with_columns(asked_at=pl.lit(window.start + timedelta(days=1)))


def test_rows_of_another_window_are_told_with_the_filter_to_write(home: Path) -> None:
    made = Platform(shop.make(sources=shop.ingested(of_any_time)), home)
    told = failure(made.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "became known outside of that window, at 2024-01-0" in told
    assert "count once for each window: write filter(window.holds('bought_at'))." in told
    purchases, outcomes = shop.ingested()
    fields = {name: getattr(outcomes, name) for name in ("event_time", "delay", "columns", "every", "start", "end")}
    asked = mlp.Source("outcomes", read=when_asked, inputs=[purchases], **fields)
    made = Platform(shop.make(sources=(purchases, asked)), home / "second")
    told = failure(made.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "write filter(window.holds('asked_at', delay='7d'))." in told


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
