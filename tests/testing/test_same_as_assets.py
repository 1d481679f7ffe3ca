"""The kit computes the same tables from a source's rows as a real run writes, bit for bit."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import mlp_assets as mlp
from mlp_assets import testing
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, weeks


def test_the_kit_computes_the_tables_of_a_run(home: Path) -> None:
    platform = Platform(shop.make(), home)
    platform.run("source", tags=weeks("2024-01-01", "2024-04-22"))
    platform.run("features", tags=weeks("2024-01-01", "2024-04-22"))
    platform.run("training_set")
    (view,), (history,) = platform.project.feature_views, platform.project.training_sets
    starts = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(weeks=number) for number in range(17)]
    windows = [mlp.Window(start, start + timedelta(weeks=1)) for start in starts]
    purchases = pl.concat(shop.read_purchases(window) for window in windows)
    outcomes = pl.concat(shop.read_outcomes(window, purchases.lazy()) for window in windows)

    def written(kind: str, name: str) -> pl.DataFrame:
        return platform.environment.lake.scan(Table("shop", kind, name)).collect()

    table = testing.table(view, purchases)
    assert canonical_digest(table) == canonical_digest(written("features", "spending").drop("partition"))
    rows = testing.training_set(history, outcomes, purchases)
    assert rows.height > 1000
    assert canonical_digest(rows) == canonical_digest(written("training_set", "history"))
