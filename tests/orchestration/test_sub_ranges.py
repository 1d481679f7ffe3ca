"""A backfill of a sub-range in the web UI materializes the selected partitions of each asset, and no others."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from mlp_assets.orchestration import keys
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.ports.lake import Table
from tests.support import daily_orders
from tests.support.daily_orders import day
from tests.support.platform import Platform, weeks
from tests.support.web_backfills import WebBackfills, web_backfills

PROJECT = daily_orders.make()
ORDERS = keys.source("shop", PROJECT.sources[0])
VIEWS = {view.name: keys.features("shop", view) for view in PROJECT.feature_views}
ONLINE = dg.AssetKey(["shop", "online", "recent_online"])
ALL = [ORDERS, *VIEWS.values(), ONLINE]


@pytest.fixture
def web(home: Path, tmp_path: Path) -> Iterator[WebBackfills]:
    with web_backfills("tests.support.daily_orders", tmp_path / "dagster") as started:
        yield started


def days(first: int, last: int) -> list[str]:
    return [day(number) for number in range(first, last + 1)]


def warnings_of(web: WebBackfills) -> list[str]:
    logs = [entry for run in web.instance.get_runs() for entry in web.instance.all_logs(run.run_id)]
    return [entry.user_message for entry in logs if entry.level == 30]


def test_all_assets_over_a_week(web: WebBackfills) -> None:
    backfill = web.launch(ALL, days(7, 13))
    assert backfill.status == BulkActionStatus.COMPLETED_SUCCESS
    made = {name: web.partitions_of(key) for name, key in VIEWS.items()}
    assert web.partitions_of(ORDERS) == days(7, 13)
    assert made == {"recent": days(7, 13), "tier": days(7, 13), "habit": days(7, 13), "weekly": [day(7)]}
    runs = web.instance.get_runs()
    assert len(runs) == 3  # the days, the weeks, the publication
    assert web.instance.get_latest_materialization_event(ONLINE) is not None


def test_each_asset_over_two_days_of_a_history(web: WebBackfills) -> None:
    web.launch([ORDERS, *VIEWS.values()], days(0, 6))
    before = {key: _newest(web, key) for key in (ORDERS, *VIEWS.values())}
    for key in (ORDERS, VIEWS["recent"], VIEWS["tier"], VIEWS["habit"]):
        backfill = web.launch([key], days(3, 4))
        assert backfill.status == BulkActionStatus.COMPLETED_SUCCESS
        after = _newest(web, key)
        assert {name for name in after if after[name] != before[key][name]} == {day(3), day(4)}
    assert _newest(web, VIEWS["weekly"]) == before[VIEWS["weekly"]]


def _newest(web: WebBackfills, key: dg.AssetKey) -> dict[str, int]:
    """The newest materialization of each partition."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    return dict(web.instance.event_log_storage.get_latest_storage_id_by_partition(key, kind))


def test_missing_rows_before_the_range_are_named_in_the_log_of_the_run(web: WebBackfills) -> None:
    web.launch([ORDERS, VIEWS["recent"], VIEWS["tier"]], [day(20)])
    told = warnings_of(web)
    assert len(told) == 2
    assert any(
        "FeatureView 'recent' also reads rows from before 2024-01-21, and Source 'orders' lacks 2024-01-19 to "
        "2024-01-20 (2 partitions)." in sentence
        for sentence in told
    )
    assert any("Source 'orders' lacks 2024-01-01 to 2024-01-20 (20 partitions)." in sentence for sentence in told)


def test_nothing_is_missed_at_the_start_of_a_history(web: WebBackfills) -> None:
    web.launch([ORDERS, VIEWS["recent"], VIEWS["habit"]], days(0, 2))
    assert warnings_of(web) == []


def test_a_week_of_which_days_are_missing_says_which(web: WebBackfills) -> None:
    backfill = web.launch([ORDERS, VIEWS["weekly"]], days(16, 17))
    assert backfill.status == BulkActionStatus.COMPLETED_FAILED
    assert web.partitions_of(ORDERS) == days(16, 17)
    assert web.partitions_of(VIEWS["weekly"]) == []
    (failed,) = web.instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    text = "".join(str(entry.dagster_event) for entry in web.instance.all_logs(failed.run_id))
    assert "Source 'orders' has not ingested partition 2024-01-15 (nor 4 later ones)" in text


def test_filling_the_history_later_corrects_the_features(home: Path, tmp_path: Path) -> None:
    selected = [ORDERS, VIEWS["recent"], VIEWS["tier"]]
    by_parts, whole = Platform(PROJECT, home), Platform(PROJECT, tmp_path / "whole")
    for platform, first, last in ((by_parts, 20, 22), (by_parts, 0, 19), (whole, 0, 22)):
        span = weeks(day(first), day(last))
        assert platform.job.execute_in_process(instance=platform.instance, asset_selection=selected, tags=span).success
    for name in ("recent", "tier"):
        table = Table("shop", "features", name)
        both = [platform.environment.lake.scan(table).collect() for platform in (by_parts, whole)]
        assert canonical_digest(both[0]) == canonical_digest(both[1])
