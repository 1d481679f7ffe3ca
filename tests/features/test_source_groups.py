"""An ingestion that is large for the memory at hand writes group by group, and gives the table of one write."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform, failure, weeks

ROWS = 60_000  # a week of 1.4 MB; the smallest group holds 4 MB
ORDERS = Table("shop", "source", "orders")
SPAN = weeks("2024-01-01", "2024-02-19")


class Delivery:
    """A column that the source has from a week on."""

    new_since: datetime | None = None


def read_orders(window: mlp.Window) -> pl.DataFrame:
    at = pl.datetime_range(window.start, window.end, "10s", closed="left", eager=True).head(ROWS)
    rows = pl.DataFrame({"user_id": pl.int_range(ROWS, eager=True), "amount": 1.5, "ordered_at": at})
    new = Delivery.new_since is not None and window.start >= Delivery.new_since
    return rows.with_columns(colour=pl.lit("red")) if new else rows


def platform(home: Path, end: str | None = "2024-03-04") -> Platform:
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime}
    orders = mlp.Source(
        "orders", read=read_orders, columns=columns, event_time="ordered_at", every="1w", start="2024-01-01", end=end
    )
    features = {"spend_7d": mlp.total("amount", over="7d")}
    view = mlp.FeatureView(
        "spending", entity=mlp.Entity("user", keys=["user_id"]), source=orders, every="1w", features=features
    )
    return Platform(mlp.Project("shop", owner="team:shop", assets=[view]), home)


@pytest.mark.parametrize("end", ["2024-03-04", None])
def test_groups_give_the_table_and_the_data_version_of_one_write(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str | None
) -> None:
    Delivery.new_since = None
    whole = platform(home, end)
    whole.run("source", tags=SPAN)
    monkeypatch.setenv("MLP_MEMORY_GB", "0.01")
    small = platform(tmp_path / "small", end)
    small.run("source", tags=SPAN)
    shown = [made.metadata("source", "orders") for made in (whole, small)]
    assert [facts["groups"] for facts in shown] == [1, 3]
    assert [facts["dagster/row_count"] for facts in shown] == [8 * ROWS] * 2
    tables = [made.environment.lake.scan(ORDERS).collect() for made in (whole, small)]
    assert canonical_digest(tables[0]) == canonical_digest(tables[1])
    assert tables[1].height == 8 * ROWS
    versions = [
        made.instance.get_latest_data_version_record(key).asset_materialization.tags["dagster/data_version"]  # type: ignore[union-attr]
        for made in (whole, small)
        for key in made.job.asset_layer.executable_asset_keys
        if key.path[1] == "source"
    ]
    assert versions[0] == versions[1]


def test_a_column_that_begins_in_a_later_group_is_new_only_since_the_last_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_MEMORY_GB", "0.01")
    Delivery.new_since = datetime(2024, 2, 12, tzinfo=UTC)
    made = platform(home)
    made.run("source", tags=SPAN)  # nothing is new in a first run
    Delivery.new_since = None
    other = platform(home.parent / "other")
    other.run("source", tags=weeks("2024-01-01", "2024-01-01"))
    Delivery.new_since = datetime(2024, 2, 12, tzinfo=UTC)
    assert "its data has 'colour' since the last run" in failure(other.run("source", tags=SPAN, fails=True))
