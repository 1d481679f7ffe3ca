"""The statistics of a view: stored for the newest partition, and shown on the asset."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlp_assets.features.compute.statistics import SCHEMA, current_rows, statistics
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, weeks

FEATURES = ["spend_7d", "spend_28d", "spend_share"]
STATISTICS, ROWS = Table("shop", "statistics", "features"), Table("shop", "features", "spending")


@pytest.fixture
def platform(home: Path) -> Platform:
    platform = Platform(shop.make(), home)
    platform.run("source", tags=weeks("2024-01-01", "2024-02-05"))
    platform.run("features", tags=weeks("2024-01-01", "2024-01-22"))
    return platform


def stored(platform: Platform) -> pl.DataFrame:
    return platform.environment.lake.scan(STATISTICS).collect()


def statistics_of(platform: Platform, name: str) -> pl.DataFrame:
    rows = platform.environment.lake.scan(ROWS).filter(pl.col("partition") == name).collect()
    return statistics(current_rows(rows, ["user_id"], FEATURES), FEATURES)


def test_the_statistics_of_the_newest_partition_are_stored(platform: Platform) -> None:
    assert stored(platform).select(list(SCHEMA)).equals(statistics_of(platform, "2024-01-22"))
    platform.run("features", tags={"dagster/partition": "2024-02-05"})
    newest = stored(platform)
    assert newest.select(list(SCHEMA)).equals(statistics_of(platform, "2024-02-05"))
    platform.run("features", tags={"dagster/partition": "2024-01-15"})
    assert stored(platform).equals(newest)
    platform.run("features", tags={"dagster/partition": "2024-02-05"})
    assert stored(platform).select(list(SCHEMA)).equals(newest.select(list(SCHEMA)))
    assert stored(platform)["features_version"][0] > newest["features_version"][0]


def test_statistics_are_stored_again_when_the_table_was_recreated(platform: Platform, tmp_path: Path) -> None:
    platform.run("features", tags={"dagster/partition": "2024-01-22"})
    before = stored(platform)["features_version"][0]
    Path(platform.environment.lake.location(ROWS)).rename(tmp_path / "old")
    platform.run("features", tags={"dagster/partition": "2024-02-05"})
    assert stored(platform).select(list(SCHEMA)).equals(statistics_of(platform, "2024-02-05"))
    assert stored(platform)["features_version"][0] < before


def test_the_asset_shows_the_statistics_with_the_picture_first(platform: Platform) -> None:
    shown = platform.metadata("features", "spending")
    assert next(iter(shown)) == "picture"
    assert str(shown["picture"]).startswith("![picture](data:image/png;base64,")
    assert len(str(shown["picture"])) < 70_000
    assert shown["statistics_of"] == "2024-01-22"
    lines = str(shown["statistics"]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in FEATURES]
    assert "| 0.0% |" in lines[2]
    assert lines[2].endswith("| team:shop | history, comes_again, score, health |")
    assert (shown["newest_row"], shown["fresh_within"]) == ("2024-01-29 00:00:00+00:00", "not declared")


def test_feature_columns_are_described_by_their_formulas(platform: Platform) -> None:
    described: Any = platform.metadata("features", "spending")["dagster/column_schema"]
    descriptions = {column.name: column.description for column in described.columns}
    assert descriptions["spend_7d"] == "total('amount', over='7d')"
    assert descriptions["user_id"] is None
    assert set(descriptions) == {"user_id", "event_time", "known_at", "partition", *FEATURES}
