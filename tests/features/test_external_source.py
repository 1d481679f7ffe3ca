"""Sources that someone else writes: a Delta table and Parquet files, read in place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import canonical_digest
from mlp_assets.training_sets.training_set_asset import pinned_recipe
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, failure, infer_body, weeks

FIRST, COUNT = datetime(2024, 1, 1, tzinfo=UTC), 17
WEEKS = weeks("2024-01-01", "2024-04-22")
MONITORS = ("predictions", "feedback", "drift", "estimated_performance", "realised_performance", "alarms")


def windows() -> list[mlp.Window]:
    starts = [FIRST + timedelta(weeks=number) for number in range(COUNT)]
    return [mlp.Window(start, start + timedelta(weeks=1)) for start in starts]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """With features and a training set."""
    folder = tmp_path_factory.mktemp("external")
    delta, parquet = str(folder / "purchases"), str(folder / "outcomes.parquet")
    pl.concat([shop.read_purchases(window) for window in windows()]).write_delta(delta)
    pl.concat([shop.read_outcomes(window, pl.LazyFrame()) for window in windows()]).write_parquet(parquet)
    platform = Platform(project(delta, parquet), folder / "home")
    platform.run("features", tags=WEEKS)
    platform.run("training_set")
    return platform


def project(delta: str, parquet: str) -> mlp.Project:
    """The sample project on existing tables."""
    columns: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime}
    span: dict[str, Any] = {"every": "1w", "start": "2024-01-01", "end": "2024-05-06"}
    purchases = mlp.Source("purchases", delta=delta, event_time="bought_at", columns=columns, **span)
    labels: dict[str, Any] = {"user_id": pl.Int64, "came_again": pl.Float64, "asked_at": pl.Datetime}
    outcomes = mlp.Source("outcomes", parquet=parquet, event_time="asked_at", delay="7d", columns=labels, **span)
    return shop.make(sources=(purchases, outcomes))


def test_from_external_tables_to_alarms(platform: Platform) -> None:
    platform.run("online", "candidate", "champion")
    client, model = platform.serve()
    body = infer_body(list(range(shop.USERS)), FIRST + timedelta(weeks=16))
    assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).status_code == 200
    platform.run(*MONITORS)
    realised = platform.environment.lake.scan(Table("shop", "realised_performance", "health")).collect()
    assert realised["rows"].unique().to_list() == [shop.USERS]


def test_a_training_set_is_rebuilt_from_its_recorded_versions(platform: Platform) -> None:
    outcomes, purchases = platform.project.sources
    features = Table("shop", "features", "spending")
    assert platform.metadata("features", "spending")["delta_versions_read"] == {purchases.delta: 0}
    read = platform.metadata("training_set", "history")["delta_versions_read"]
    assert read == {outcomes.parquet: None, str(features): 1}
    digest = platform.metadata("training_set", "history")["digest"]
    pl.concat([shop.read_purchases(windows()[0])]).write_delta(str(purchases.delta), mode="append")
    platform.run("features", tags=WEEKS)
    assert platform.metadata("features", "spending")["delta_versions_read"] == {purchases.delta: 1}
    (training_set,) = platform.project.training_sets
    scope = Scope(platform.project, platform.environment)
    assert canonical_digest(pinned_recipe(scope, training_set, read).rows()) == digest  # type: ignore[arg-type]
    now = pinned_recipe(scope, training_set, {**read, str(features): 2}).rows()  # type: ignore[dict-item]
    assert canonical_digest(now) != digest


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ({"delta": "/nowhere/purchases"}, "There is no Delta table at /nowhere/purchases"),
        ({"parquet": "/nowhere/*.parquet"}, "Source 'purchases': its Parquet at /nowhere/*.parquet cannot be read"),
    ],
)
def test_a_missing_table_is_named(home: Path, location: dict[str, str], message: str) -> None:
    columns: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime}
    source = mlp.Source(
        "purchases", event_time="bought_at", columns=columns, start="2024-01-01", end="2024-05-06", **location
    )
    view = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=source,
        features={"spend": mlp.total("amount", over="7d")},
    )
    platform = Platform(mlp.Project("shop", owner="team:shop", assets=[view]), home)
    assert message in failure(platform.run("features", tags={"dagster/partition": "2024-02-01"}, fails=True))
