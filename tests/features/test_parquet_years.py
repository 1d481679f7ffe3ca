"""Parquet files whose schema changed over the years are read as one source."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform, failure

DAY = "2024-01-01"
COLUMNS = {"user_id": pl.Int64, "amount": pl.Float64, "weight": pl.Float64, "units": pl.Int64, "at": pl.Datetime}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders").mkdir()
    return tmp_path / "orders"


def year(folder: Path, number: int, unit: Any, types: dict[str, Any], **more: Any) -> None:
    at = pl.Series([datetime(2024, 1, 1, number, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    values = {"user_id": [1], "amount": [number], "weight": [number], "units": [number]}
    rows = (
        pl.DataFrame(values)
        .cast(types)
        .with_columns(at=at.dt.cast_time_unit(unit), **{name: pl.lit(value) for name, value in more.items()})
    )
    rows.write_parquet(folder / f"{2020 + number}.parquet")


def made(folder: Path, home: Path, pattern: str, **changes: Any) -> Platform:
    columns = COLUMNS | changes.pop("columns", {})
    source = mlp.Source("orders", parquet=f"{folder}{pattern}", event_time="at", start=DAY, columns=columns, **changes)
    features = {
        "spend": mlp.total("amount", over="3d"),
        "weight": mlp.total("weight", over="3d"),
        "units": mlp.total("units", over="3d"),
    }
    user = mlp.Entity("user", keys=["user_id"])
    view = mlp.FeatureView("spending", entity=user, source=source, features=features)
    return Platform(mlp.Project("shop", owner="team:shop", assets=[view]), home)


@pytest.mark.parametrize("pattern", ["", "/*.parquet"])
def test_integers_became_floats_and_columns_were_added(folder: Path, home: Path, pattern: str) -> None:
    year(folder, 1, "ns", {"user_id": pl.Int32, "amount": pl.Int32, "weight": pl.Float32, "units": pl.Int16}, old=1)
    year(folder, 2, "us", {"amount": pl.Float64, "weight": pl.Float64, "units": pl.Int32}, store="x")
    year(folder, 3, "ms", {"amount": pl.UInt8, "weight": pl.Float32}, store="y", more=2.0)
    platform = made(folder, home, pattern, columns={"store": pl.String}, new_columns="ignore")
    platform.run("features", tags={"dagster/partition": DAY})
    (row,) = platform.environment.lake.scan(Table("shop", "features", "spending")).collect().to_dicts()
    assert (row["spend"], row["weight"], row["units"]) == (6.0, 6.0, 6.0)


def test_a_column_that_the_newest_file_lost_is_told(folder: Path, home: Path) -> None:
    year(folder, 1, "us", {}, store="x")
    year(folder, 2, "us", {}, shop="x")
    platform = made(folder, home, "", columns={"store": pl.String}, new_columns="ignore")
    message = failure(platform.run("features", tags={"dagster/partition": DAY}, fails=True))
    assert "'store' is missing" in message
