"""A backfill in the web UI over assets of several cadences, with today's partition."""

from datetime import timedelta
from pathlib import Path

import polars as pl
from dagster._core.execution.backfill import BulkActionStatus

from mlp_assets.orchestration import keys
from mlp_assets.tables.standing_rows import moments_held
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Table
from tests.support import mixed_cadences
from tests.support.mixed_cadences import START, TODAY
from tests.support.web_backfills import web_backfills

PROJECT = mixed_cadences.make()
ORDERS = keys.source("shop", PROJECT.sources[0])
VIEWS = {view.name: keys.features("shop", view) for view in PROJECT.feature_views}
DAYS = [f"{START + timedelta(days=number):%Y-%m-%d}" for number in range(5)]


def test_assets_of_several_cadences_over_the_days_until_now(home: Path, tmp_path: Path) -> None:
    online = [keys.online("shop", view) for view in PROJECT.feature_views]
    with web_backfills("tests.support.mixed_cadences", tmp_path / "dagster") as web:
        backfill = web.launch([ORDERS, *VIEWS.values(), *online], DAYS)
        assert backfill.status == BulkActionStatus.COMPLETED_SUCCESS
        made = {name: web.partitions_of(key) for name, key in VIEWS.items()}
        assert made == {"hourly": DAYS, "slow": DAYS, "daily": DAYS[:4], "two_days": DAYS[:4]}
    lake = LocalEnvironment(home).lake

    def moments(name: str, hours: int = 24) -> pl.Series:
        return moments_held(lake.scan(Table("shop", "features", name)), timedelta(hours=hours))

    assert moments("two_days").to_list() == [TODAY - timedelta(days=2), TODAY]
    assert moments("daily").to_list() == [TODAY - timedelta(days=number) for number in (3, 2, 1, 0)]
    for name, hours in (("hourly", 1), ("slow", 6)):
        gaps = moments(name, hours).diff().drop_nulls().unique()
        assert gaps.to_list() == [timedelta(hours=hours)]
        assert moments(name, hours)[0] == START + timedelta(hours=hours)
        assert moments(name, hours).len() >= 4 * 24 // hours
