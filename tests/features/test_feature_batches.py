"""A backfill in batches writes the table of one batch, in little memory, whichever entity has most of the events."""

import pickle
from pathlib import Path

import polars as pl
import pytest

from mlp_assets.features.feature_batches import BatchWork, FeatureBatch, batches_of
from mlp_assets.features.moments.moments_to_compute import PartitionMoments
from mlp_assets.tables.events import as_events
from tests.support.large_orders import compute_days, orders, view_of, windows_of

DAYS = 16


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("orders"))
    orders().write_delta(folder)
    return folder


def test_batches_of_any_size_make_the_same_rows(location: str) -> None:
    view = view_of(location)
    events = as_events(view.source, pl.scan_delta(location)).filter(pl.col("user_id") < 300)
    parts = tuple(PartitionMoments(name, (window.end,)) for name, window in windows_of(view, 12))
    work = pickle.loads(pickle.dumps(BatchWork(view, events)))
    whole = BatchWork(view, events)(FeatureBatch(parts))
    for most_bytes in (2_500_000, 1_000_000, 400_000):
        batches = batches_of(view, events, parts, most_bytes)
        assert tuple(part for batch in batches for part in batch.parts) == parts
        assert len(batches) > 1
        assert pl.concat([work(batch) for batch in batches]).equals(whole)
    assert batches_of(view, events, parts, 400_000)[0].buckets > 1
    assert batches_of(view, events, parts, 1_000_000_000) == [FeatureBatch(parts)]


def test_a_run_with_little_memory_writes_the_same_table(
    location: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(location)
    whole = compute_days(view, home, DAYS)
    monkeypatch.setenv("MLP_MEMORY_GB", "0.07")
    little = compute_days(view, tmp_path / "little", DAYS)
    assert (whole.batches, little.batches > 3) == (1, True)
    assert little.digest == whole.digest
    assert little.rows == whole.rows
    assert little.newest.equals(whole.newest)
