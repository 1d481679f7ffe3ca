"""Features of features: a view whose source is another view, run through Dagster with late rows."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.ports.lake import Table
from tests.support.orders import COLUMNS, day, materialized_partitions, order_rows, run_days
from tests.support.platform import Platform, failure

HABIT = Table("shop", "features", "habit")


def swing() -> dict[str, pl.Expr]:
    return {"swing": pl.col("most_5d") - pl.col("least_5d")}


def project(location: str) -> mlp.Project:
    orders = mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="ordered_at", known_at="arrived_at", start="2024-01-01"
    )
    user = mlp.Entity("user", keys=["user_id"])
    spending = mlp.FeatureView(
        "spending", entity=user, source=orders, features={"spend_3d": mlp.total("amount", over="3d")}
    )
    habit = mlp.FeatureView(
        "habit",
        entity=user,
        source=spending,
        features={"most_5d": mlp.maximum("spend_3d", over="5d"), "least_5d": mlp.minimum("spend_3d", over="5d")},
        derive=swing,
    )
    return mlp.Project("shop", owner="team:shop", assets=[habit])


@pytest.fixture
def location(tmp_path: Path) -> str:
    folder = str(tmp_path / "orders")
    plain = [(user, 1.0 + number % 4, number + 0.5, number + 0.5) for number in range(12) for user in (1, 2)]
    order_rows(*plain).write_delta(folder)
    return folder


def table(platform: Platform) -> pl.DataFrame:
    return platform.environment.lake.scan(HABIT).collect()


def test_late_rows_reach_the_features_of_features(location: str, home: Path, tmp_path: Path) -> None:
    features_of_features = project(location)
    platform = Platform(features_of_features, home)
    run_days(platform, "features", first=0, last=9)
    before = table(platform)
    assert before.filter(user_id=1)["swing"].max() == 8.0
    order_rows((1, 50.0, 4.25, 10.25)).write_delta(location, mode="append")
    result = run_days(platform, "features", first=10)
    assert materialized_partitions(result) == [day(4), day(5), day(6), day(7), day(10)]
    assert materialized_partitions(result, "habit") == [day(number) for number in range(4, 11)]
    after = table(platform)
    late = after.filter(pl.col("known_at") != pl.col("event_time"))
    assert late["user_id"].unique().to_list() == [1]
    assert late["most_5d"].max() == 58.0
    kept = after.filter(pl.col("known_at") == pl.col("event_time"), pl.col("partition") < day(10))
    assert canonical_digest(kept) == canonical_digest(before)
    whole = Platform(features_of_features, tmp_path / "whole")
    run_days(whole, "features", first=0, last=10)
    assert canonical_digest(table(whole)) == canonical_digest(after)


def test_a_view_is_computed_only_after_its_source_view(location: str, home: Path) -> None:
    platform = Platform(project(location), home)
    run_days(platform, "features", first=0, last=3)
    habit = dg.AssetKey(["shop", "features", "habit"])
    failed = platform.job.execute_in_process(
        instance=platform.instance,
        asset_selection=[habit],
        tags={"dagster/partition": day(6)},
        raise_on_error=False,
    )
    assert not failed.success
    assert f"FeatureView 'spending' has not computed partition {day(6)}, and this" in failure(failed)


def test_the_lineage_names_the_source_view(location: str, home: Path) -> None:
    platform = Platform(project(location), home)
    run_days(platform, "features", first=0, last=3)
    lineage = platform.metadata("features", "habit")["dagster/column_lineage"]
    (origin,) = lineage.deps_by_column["most_5d"]  # type: ignore[attr-defined]
    assert (origin.asset_key.path, origin.column_name) == (["shop", "features", "spending"], "spend_3d")
