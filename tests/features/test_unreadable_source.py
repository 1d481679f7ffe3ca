"""Errors in a source's ``read`` come as one sentence, with the fix of the most frequent mistake."""

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


def shifted_by_three_days(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).with_columns(pl.col("bought_at") + pl.duration(days=3))


def filtered_by_event_time(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    """Returns the rows that happened in the window, not those that became known in it."""
    return shop.read_outcomes(window, purchases).with_columns(asked_at=pl.lit(window.start + timedelta(days=1)))


def test_rows_of_another_window_are_refused_with_the_filter_to_write(home: Path) -> None:
    platform = Platform(shop.make(sources=shop.ingested(shifted_by_three_days)), home)
    message = failure(platform.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "became known outside of that window, for example at 2024-01-0" in message
    assert "write filter(window.holds('bought_at'))." in message
    purchases, outcomes = shop.ingested()
    fields = {name: getattr(outcomes, name) for name in ("event_time", "delay", "columns", "every", "start", "end")}
    asked = mlp.Source("outcomes", read=filtered_by_event_time, inputs=[purchases], **fields)
    platform = Platform(shop.make(sources=(purchases, asked)), home / "second")
    message = failure(platform.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "write filter(window.holds('asked_at', delay='7d'))." in message


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (without_zone, "write filter(window.holds('bought_at'))."),
        (with_a_typo, 'read(2024-01-01 to 2024-01-08) cannot be computed: unable to find column "amuont"'),
    ],
)
def test_a_polars_error_names_the_source_and_the_fix(
    home: Path, read: Callable[..., pl.DataFrame], sentence: str
) -> None:
    platform = Platform(shop.make(sources=shop.ingested(read)), home)
    message = failure(platform.run("source", tags=weeks("2024-01-01", "2024-01-01"), fails=True))
    assert "Source 'purchases': read(" in message
    assert sentence in message
