"""The sample of the newest predictions is bounded, recent, and of the model version that answered last."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from mlp_assets.endpoints.skew.recent_predictions import recent_predictions
from mlp_assets.endpoints.skew.skew_check import ROWS, VERSIONS
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Lake, Table, Transaction

LOG = Table("shop", "predictions", "score")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def append(lake: Lake, rows: int, at: datetime, versions: dict[str, int | None], model: str = "2") -> None:
    number = lake.transaction(LOG, "test") or 0
    frame = pl.DataFrame({"row": range(rows)}).with_columns(
        requested_at=pl.lit(at), model_version=pl.lit(model), view_versions=pl.lit(json.dumps(versions))
    )
    assert lake.append(LOG, frame, Transaction("test", number + 1, number)).changed


def test_without_a_log_there_is_no_sample(home: Path) -> None:
    assert recent_predictions(LocalEnvironment(home).lake, LOG) is None


def test_the_sample_is_of_the_newest_rows_of_one_model(home: Path) -> None:
    lake = LocalEnvironment(home).lake
    append(lake, 50, NOON - 30 * HOUR, {"spending": 1, "habits": 1})  # of the day before
    append(lake, 60, NOON - 4 * HOUR, {"spending": 2, "habits": 7}, model="1")
    append(lake, 3 * ROWS, NOON - 3 * HOUR, {"spending": 3, "habits": 8})
    append(lake, 10, NOON - 2 * HOUR, {"spending": 4, "habits": None})  # an outage
    append(lake, 2 * ROWS, NOON, {"spending": 4, "habits": 8})
    recent = recent_predictions(lake, LOG)
    assert recent is not None
    assert (recent.model_version, recent.newest) == ("2", {"spending": 4, "habits": 8})
    assert recent.answered == 5 * ROWS + 10
    assert set(recent.rows["model_version"]) == {"2"}
    counts = dict(recent.rows.group_by("requested_at").len().iter_rows())
    assert set(counts) <= {NOON - 3 * HOUR, NOON - 2 * HOUR, NOON}
    assert ROWS // 4 <= counts[NOON] <= ROWS // 2
    assert ROWS // 4 <= counts[NOON - 3 * HOUR] <= ROWS // 2
    assert recent.rows["row"].max() > 2.9 * ROWS  # spread over all


def test_no_more_combinations_of_versions_are_read_than_a_check_compares(home: Path) -> None:
    lake = LocalEnvironment(home).lake
    for number in range(VERSIONS + 3):
        append(lake, 5, NOON + number * HOUR / 2, {"spending": number})
    recent = recent_predictions(lake, LOG)
    assert recent is not None
    assert recent.rows["view_versions"].n_unique() == VERSIONS
    assert recent.newest == {"spending": VERSIONS + 2}
    assert recent.rows["requested_at"].min() == NOON + 3 * HOUR / 2
