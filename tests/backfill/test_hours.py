"""A backfill completes the days of which the runs of some hours were missing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

import mlp_assets as mlp
from mlp_assets.platform import Days, backfill_project
from mlp_assets.tables.standing_rows import moments_held
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform
from tests.support.silent_progress import Silent

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "bought_at": pl.Datetime}
ORDERS = pl.DataFrame(
    {
        "user_id": [1, 1, 2, 1],
        "amount": [1.0, 2.0, 4.0, 8.0],
        "bought_at": [START + timedelta(hours=hour) for hour in (5, 20, 21, 30)],
    }
)


def read_orders(window: mlp.Window) -> pl.DataFrame:
    return ORDERS.filter(window.holds("bought_at"))


def test_a_day_that_lacks_hours_is_computed(home: Path) -> None:
    options: dict[str, Any] = {"event_time": "bought_at", "columns": COLUMNS, "every": "6h", "start": "2024-01-01"}
    source = mlp.Source("orders", read=read_orders, **options)
    features = {"spend_12h": mlp.total("amount", over="12h")}
    user = mlp.Entity("user", keys=["user_id"])
    view = mlp.FeatureView("spending", user, source, features, every="3h", online=True)
    project = mlp.Project("shop", owner="team:shop", assets=[view])
    now = [START + timedelta(hours=19)]
    platform = Platform(project, home, now=lambda: now[0])
    platform.run("source", "features", tags={"dagster/partition": "2024-01-01"})

    def backfill() -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        summary = backfill_project(
            project, Days(), instance=platform.instance, progress=Silent(), environment=platform.environment
        )
        assert summary.succeeded
        assert summary.left_to == ("shop__every_6h", "shop__every_3h")
        return [(work.spec.name, work.missing, work.stale) for work in summary.work]

    def moments() -> list[datetime]:
        rows = platform.environment.lake.scan(Table("shop", "features", "spending"))
        return moments_held(rows, timedelta(hours=3)).to_list()

    assert max(moments()) == START + timedelta(hours=18)
    now[0] = START + timedelta(days=2, hours=10)
    days = ("2024-01-01", "2024-01-02")
    assert backfill() == [("orders", days, ()), ("spending", days, ())]
    assert moments() == [START + timedelta(hours=hour) for hour in range(6, 46, 3)]
    assert backfill() == [("orders", (), ()), ("spending", (), ())]
