"""Partitions that were never computed or ingested are named at the view, the publication and the training set."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlp_assets.features.history.holes import listed
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, check_of, weeks

ALL = weeks("2024-01-01", "2024-04-22")
NOW = datetime(2024, 5, 1, tzinfo=UTC)


def history(result: dg.ExecuteInProcessResult, kind: str) -> dg.AssetCheckEvaluation:
    found = check_of(result, COMPLETE_HISTORY, kind)
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert not found.blocking
    return found


def message(result: dg.ExecuteInProcessResult, kind: str) -> str:
    found = history(result, kind)
    assert not found.passed
    return str(found.description)


@pytest.fixture
def platform(home: Path) -> Callable[..., Platform]:
    """The shop on 1 May, with its source ingested for these weeks and its view computed for those."""

    def make(ingested: list[dict[str, str]], computed: list[dict[str, str]]) -> Platform:
        made = Platform(shop.make(), home, now=lambda: NOW)
        for tags in ingested:
            made.run("source", tags=tags)
        for tags in computed:
            made.run("features", tags=tags)
        return made

    return make


def test_a_whole_history_passes(platform: Callable[..., Platform]) -> None:
    made = platform([ALL], [weeks("2024-01-01", "2024-04-15")])
    result = made.run("features", tags=weeks("2024-04-22", "2024-04-22"))
    assert history(result, "features").passed
    result = made.run("online", "training_set")
    assert history(result, "online").passed
    assert history(result, "training_set").passed
    assert history(result, "training_set").metadata["rows_over_holes"].value == 0


def test_rows_that_lack_the_features_of_their_week_are_counted(platform: Callable[..., Platform]) -> None:
    made = platform([ALL], [weeks("2024-01-01", "2024-02-12"), weeks("2024-03-04", "2024-04-08")])
    result = made.run("training_set")
    rows = made.environment.lake.scan(Table("shop", "training_set", "history")).collect()
    asked = pl.Series([datetime(2024, 2, 26, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)]), rows["at"].max()
    touched = rows.filter(pl.col("at").is_in(asked[0].implode()) | (pl.col("at") == asked[1]))
    told = message(result, "training_set")
    assert told.startswith(f"{touched.height} rows lack the features of their time. FeatureView 'spending' lacks ")
    assert "2024-02-19 to 2024-02-26 (2 partitions), 2024-04-15, so readers get the features of an earlier" in told
    assert told.endswith("`mlp backfill shop` computes what is missing.")
    assert history(result, "training_set").metadata["rows_over_holes"].value == touched.height == 3 * shop.USERS
    view = message(made.run("features", tags=weeks("2024-04-22", "2024-04-22")), "features")
    assert "FeatureView 'spending' lacks 2024-02-19 to 2024-02-26 (2 partitions), 2024-04-15," in view
    online = message(made.run("online"), "online")
    assert "FeatureView 'spending' lacks 2024-04-15," in online  # the others are older than the TTL


def test_windows_over_weeks_that_were_never_ingested_are_told(platform: Callable[..., Platform]) -> None:
    ingested = [weeks("2024-01-01", "2024-01-15"), weeks("2024-01-29", "2024-04-22")]
    made = platform(ingested, [weeks("2024-01-01", "2024-01-15")])
    told = message(made.run("features", tags=weeks("2024-01-29", "2024-04-22")), "features")
    assert "Source 'purchases' lacks 2024-01-22, so the windows of FeatureView 'spending' over that time" in told
    result = made.run("online", "training_set")
    assert history(result, "online").passed  # no window of what is online reads that week
    assert "Source 'purchases' lacks 2024-01-22" in message(result, "training_set")
    made.run("source", tags=weeks("2024-01-22", "2024-01-22"))
    repaired = made.run("features", "training_set", tags=weeks("2024-01-22", "2024-01-22"))
    assert history(repaired, "features").passed
    assert history(made.run("training_set"), "training_set").passed


def test_partitions_are_listed_as_spans() -> None:
    (view,) = shop.make().feature_views
    assert listed(["2024-01-01"], view) == "2024-01-01"
    assert (
        listed(["2024-01-01", "2024-01-08", "2024-01-22"], view)
        == "2024-01-01 to 2024-01-08 (2 partitions), 2024-01-22"
    )
    many = [f"2024-{month:02d}-05" for month in range(1, 9)]
    assert listed(many, view).endswith("2024-05-05 and 3 further spans")
