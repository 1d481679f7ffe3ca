"""A backfill batch by batch: the table of one batch, in little memory, whatever entity has most of the events."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.features.feature_batches import BatchWork, FeatureBatch, batches_of
from mlp_assets.features.partition_writer import ComputedPartitions, compute_partitions
from mlp_assets.orchestration.partitions import Windows, partitions_of, window_of
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import as_events
from mlp_resources.environments.local import LocalEnvironment

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, EVENTS = 30, 150_000
COLUMNS = {"user_id": pl.Int64, "shop": pl.String, "amount": pl.Float64, "at": pl.Datetime, "known": pl.Datetime}


def share() -> dict[str, pl.Expr]:
    return {"share": pl.col("spend_7d") / (pl.col("spend_21d") + 1)}


def view_of(location: str) -> mlp.FeatureView:
    source = mlp.Source(
        "orders", delta=location, columns=COLUMNS, event_time="at", known_at="known", start="2024-01-01"
    )
    return mlp.FeatureView(
        "spending",
        entity=mlp.Entity("visit", keys=["user_id", "shop"]),
        source=source,
        features={
            "spend_7d": mlp.total("amount", over="7d"),
            "spend_21d": mlp.total("amount", over="21d"),
            "spread_21d": mlp.std("amount", over="21d"),
        },
        derive=share,
    )


def orders() -> pl.DataFrame:
    """Three in ten of one user in one shop; one in a hundred is known a day or two later."""
    rng = np.random.default_rng(3)
    users = np.where(rng.random(EVENTS) < 0.3, 7, rng.integers(0, 1000, EVENTS))
    at = pl.Series(rng.integers(0, DAYS * 86_400_000_000, EVENTS)).cast(pl.Duration("us")) + START
    lag = pl.Series(np.where(rng.random(EVENTS) < 0.01, rng.integers(1, 48, EVENTS), 0)).cast(pl.Int64)
    shops = np.where(users == 7, "a", rng.choice(["a", "b"], EVENTS))
    frame = pl.DataFrame({"user_id": users, "shop": shops, "amount": rng.gamma(2, 10, EVENTS), "at": at})
    return frame.with_columns(known=pl.col("at") + pl.duration(hours=lag))


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("orders"))
    orders().write_delta(folder)
    return folder


def windows_of(view: mlp.FeatureView, days: int = DAYS) -> Windows:
    definition = partitions_of(view.root, view.every)
    names = [f"{START + timedelta(days=number):%Y-%m-%d}" for number in range(days)]
    return [(name, window_of(definition, name)) for name in names]


def run(view: mlp.FeatureView, home: Path, days: int = DAYS) -> ComputedPartitions:
    project = mlp.Project("shop", owner="team:shop", assets=[view])
    return compute_partitions(Scope(project, LocalEnvironment(home)), view, windows_of(view, days), set())


def test_batches_of_any_size_make_the_same_rows(location: str) -> None:
    view = view_of(location)
    events = as_events(view.source, pl.scan_delta(location)).filter(pl.col("user_id") < 300)
    windows, work = windows_of(view), pickle.loads(pickle.dumps(BatchWork(view, events)))
    whole = BatchWork(view, events)(FeatureBatch(windows))
    for most_bytes in (3_000_000, 1_000_000, 300_000):
        batches = batches_of(view, events, windows, most_bytes)
        assert [name for batch in batches for name, _ in batch.windows] == [name for name, _ in windows]
        assert len(batches) > 1
        assert pl.concat([work(batch) for batch in batches]).equals(whole)
    assert batches_of(view, events, windows, 300_000)[0].buckets > 1
    assert batches_of(view, events, windows, 1_000_000_000) == [FeatureBatch(windows)]


def test_little_memory_leaves_the_table_of_much(
    location: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(location)
    whole = run(view, home)
    monkeypatch.setenv("MLP_MEMORY_GB", "0.07")
    little = run(view, tmp_path / "little")
    assert (whole.batches, little.batches > 3) == (1, True)
    assert little.digest == whole.digest
    assert little.rows == whole.rows
    assert little.newest.equals(whole.newest)
