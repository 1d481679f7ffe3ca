"""A training set has the same rows from one shard, from many, and from a Ray cluster that loses a worker."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.errors import MlpError
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_assets.tables.digest import canonical_digest
from mlp_assets.training_sets.compute.split import time_parts
from mlp_assets.training_sets.compute.training_rows import Recipe
from mlp_assets.training_sets.shard_writer import WrittenRows, write_rows
from mlp_resources.compute.shards_local import LocalShards
from mlp_resources.compute.shards_ray import RayShards
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table
from tests.support.large_orders import compute_days, orders, view_of
from tests.support.ray_cluster import WorkerWatch

START, UTC_TIME = datetime(2024, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC")
ROWS, USERS, DAYS = 1_200_000, 500, 90
HISTORY, SPENDING = Table("shop", "training_set", "history"), Table("shop", "features", "spending")


def write_tables(lake: DeltaLake) -> None:
    """Features of each user and day, some with a later version; labels, three in ten of one user."""
    rng = np.random.default_rng(7)
    days = pl.DataFrame({"day": range(DAYS)}).join(pl.DataFrame({"user_id": range(USERS)}), how="cross")
    event = pl.lit(START).cast(UTC_TIME) + pl.col("day") * timedelta(days=1)
    base = days.select("user_id", event_time=event, known_at=event, spend=pl.Series(rng.random(days.height)))
    late = base.gather_every(17).with_columns(pl.col("known_at") + timedelta(hours=30), pl.col("spend") + 1)
    features = pl.concat([base, late]).with_columns(partition=pl.col("event_time").dt.strftime("%Y-%m-%d"))
    lake.write_partitions(SPENDING, features, features["partition"].unique().to_list())
    users = np.where(rng.random(ROWS) < 0.3, 7, rng.integers(0, USERS + 20, ROWS))
    asked = pl.Series(rng.integers(0, DAYS * 86_400_000_000, ROWS)).cast(pl.Duration("us")) + START
    labels = pl.DataFrame({"user_id": users, "asked_at": asked.cast(UTC_TIME), "came": rng.random(ROWS)})
    lake.replace(Table("shop", "source", "outcomes"), labels)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> DeltaLake:
    lake = DeltaLake(tmp_path_factory.mktemp("lake"))
    write_tables(lake)
    return lake


def recipe_of(lake: DeltaLake, derived_from: str = "spend") -> Recipe:
    known = pl.col("asked_at") + timedelta(days=7)
    spine = lake.scan(Table("shop", "source", "outcomes")).with_columns(known_at=known)
    spine = spine.select("user_id", "asked_at", "known_at", "came")
    table = FeatureTable(lake.scan(SPENDING), ("user_id",), ("spend",), timedelta(days=14))
    derived = {"third": pl.col(derived_from) / 3}
    parts = time_parts(spine, "asked_at", mlp.SplitByTime())
    return Recipe(spine, "asked_at", ("user_id",), (table,), ("spend",), derived, ("spend", "third"), "came", parts)


@pytest.fixture(scope="module")
def whole(lake: DeltaLake) -> pl.DataFrame:
    return recipe_of(lake).rows()


def check(lake: DeltaLake, result: WrittenRows, whole: pl.DataFrame) -> None:
    stored = lake.scan(HISTORY, result.written.version).collect()
    assert stored.equals(whole)
    assert result.digest == canonical_digest(whole)
    assert result.rows == whole.height
    assert result.first.equals(whole.head(5))
    assert dict(result.splits.select("split", "rows").iter_rows()) == dict(whole["split"].value_counts().iter_rows())


@pytest.mark.parametrize(("memory", "least", "most"), [(100, 1, 1), (0.2, 4, 30)])
def test_any_number_of_shards_gives_the_same_table(
    lake: DeltaLake, whole: pl.DataFrame, memory: float, least: int, most: int
) -> None:
    result = write_rows(recipe_of(lake), lake, HISTORY, LocalShards(memory))
    assert least <= result.shards <= most
    check(lake, result, whole)


def test_a_failed_run_leaves_nothing(lake: DeltaLake) -> None:
    folder = Path(lake.location(HISTORY))
    before = sorted(folder.glob("*")) if folder.exists() else []
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        write_rows(recipe_of(lake, "missing"), lake, HISTORY, LocalShards(0.2))
    assert (sorted(folder.glob("*")) if folder.exists() else []) == before


@pytest.mark.usefixtures("ray_address")  # Ray reads the token of the cluster once, when it is first imported
def test_without_a_ray_cluster_the_message_says_what_to_start() -> None:
    with pytest.raises(MlpError, match="No Ray answers at 127.0.0.1:1,"):
        RayShards("127.0.0.1:1").memory()


@pytest.mark.parametrize("kills", [0, 2])
def test_a_ray_cluster_writes_the_same_table(
    lake: DeltaLake, whole: pl.DataFrame, ray_address: str, kills: int
) -> None:
    """One user has a third of the rows. Shards of killed workers are written by others."""
    watch = WorkerWatch(kills)
    watch.start()
    try:
        result = write_rows(recipe_of(lake), lake, HISTORY, RayShards(ray_address, 0.05))
    finally:
        watch.stop.set()
        watch.join()
    assert watch.killed == kills
    assert len(watch.seen) >= 2
    assert result.shards >= 8
    assert watch.peak < 500e6  # Python, Polars and Ray take 200 MB of it
    check(lake, result, whole)
    assert not list(Path(lake.location(HISTORY)).glob("*.partial"))


def test_a_failed_shard_on_ray_leaves_nothing(lake: DeltaLake, ray_address: str) -> None:
    before = sorted(Path(lake.location(HISTORY)).glob("*"))
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="missing"):
        write_rows(recipe_of(lake, "missing"), lake, HISTORY, RayShards(ray_address, 0.05))
    assert sorted(Path(lake.location(HISTORY)).glob("*")) == before


@pytest.mark.parametrize("kills", [0, 1])
def test_a_ray_cluster_computes_the_same_features(
    ray_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    """In batches, with three in ten events of one user and a lost worker."""
    location = str(tmp_path / "orders")
    orders().write_delta(location)
    view = view_of(location)
    whole = compute_days(view, tmp_path / "whole", days=24)
    monkeypatch.setenv("MLP_MEMORY_GB", "0.1")
    monkeypatch.setenv("MLP_SHARDS", "ray")
    monkeypatch.setenv("RAY_ADDRESS", ray_address)
    watch = WorkerWatch(kills)
    watch.start()
    try:
        made = compute_days(view, tmp_path / "ray", days=24)
    finally:
        watch.stop.set()
        watch.join()
    assert watch.killed == kills
    assert watch.peak < 500e6
    assert (whole.batches, made.batches > 3) == (1, True)
    assert made.digest == whole.digest
