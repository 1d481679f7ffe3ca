"""A partition is computed only when those that it reads were ingested; an empty result says why it is empty."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from tests.support import shop
from tests.support.platform import Platform, failure, weeks


@pytest.mark.parametrize("kind", ["features", "outcomes"])
def test_a_partition_that_was_never_ingested_is_named(home: Path, kind: str) -> None:
    made = Platform(shop.make(), home)
    first, later = weeks("2024-01-01", "2024-01-08"), weeks("2024-01-08", "2024-01-29")
    made.run("source", tags=first)
    chosen = dg.AssetKey(["shop", "features", "spending"] if kind == "features" else ["shop", "source", "outcomes"])
    failed = made.job.execute_in_process(
        instance=made.instance, asset_selection=[chosen], tags=later, raise_on_error=False
    )
    assert not failed.success
    assert "Source 'purchases' has not ingested partition 2024-01-15 (nor 2 later ones)" in failure(failed)
    assert "Materialize shop/source/purchases for it first" in failure(failed)
    made.run("features", tags=first)


def test_a_training_set_without_rows_says_what_was_left_out(home: Path) -> None:
    made = Platform(shop.make(), home)
    made.run("source", tags=weeks("2024-01-01", "2024-01-08"))
    made.run("features", tags=weeks("2024-01-01", "2024-01-08"))
    sentence = failure(made.run("training_set", fails=True))
    assert (
        "TrainingSet 'history': There are no labelled rows yet. Materialize the labels' partitions first." in sentence
    )
    assert "Rows before since='2024-01-29' are left out." in sentence


def no_purchases(window: mlp.Window) -> pl.DataFrame:
    return shop.read_purchases(window).clear()


def test_an_ingested_partition_without_rows_is_there(home: Path) -> None:
    made = Platform(shop.make(sources=shop.ingested(no_purchases)), home)
    made.run("source", tags=weeks("2024-01-01", "2024-01-08"))
    made.run("features", tags=weeks("2024-01-01", "2024-01-08"))
