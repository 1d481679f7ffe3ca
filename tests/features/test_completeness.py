"""A partition is computed only after its inputs were ingested; an empty training set says why it is empty."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import shop
from tests.support.platform import Platform, failure, weeks


@pytest.mark.parametrize("kind", ["features", "outcomes"])
def test_a_missing_input_partition_is_named(home: Path, kind: str) -> None:
    platform = Platform(shop.make(), home)
    first, later = weeks("2024-01-01", "2024-01-08"), weeks("2024-01-08", "2024-01-29")
    platform.run("source", tags=first)
    asset = dg.AssetKey(["shop", "features", "spending"] if kind == "features" else ["shop", "source", "outcomes"])
    failed = platform.job.execute_in_process(
        instance=platform.instance, asset_selection=[asset], tags=later, raise_on_error=False
    )
    assert not failed.success
    assert "Source 'purchases' has not ingested partition 2024-01-15 (nor 2 later ones)" in failure(failed)
    assert "Materialize shop/source/purchases for it first" in failure(failed)
    platform.run("features", tags=first)


def test_an_empty_training_set_says_which_rows_were_left_out(home: Path) -> None:
    platform = Platform(shop.make(), home)
    platform.run("source", tags=weeks("2024-01-01", "2024-01-08"))
    platform.run("features", tags=weeks("2024-01-01", "2024-01-08"))
    message = failure(platform.run("training_set", fails=True))
    assert "TrainingSet 'history'" in message
    assert "since='2024-01-29'" in message


def no_purchases(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).clear()


def test_an_ingested_partition_without_rows_counts_as_ingested(home: Path) -> None:
    platform = Platform(shop.make(sources=shop.ingested(no_purchases)), home)
    platform.run("source", tags=weeks("2024-01-01", "2024-01-08"))
    platform.run("features", tags=weeks("2024-01-01", "2024-01-08"))
