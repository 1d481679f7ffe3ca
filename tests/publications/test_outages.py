"""Labels that a late or failed publication touched, labels exactly at a moment, and the check of each publication."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration.check_names import SERVED_LAG
from mlp_assets.publications.outages import count_at_moments, count_touched
from tests.support.platform import Platform

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COLUMNS: dict[str, Any] = {"user_id": pl.Int64, "amount": pl.Float64, "ordered_at": pl.Datetime}
LABELS: dict[str, Any] = {"user_id": pl.Int64, "asked_at": pl.Datetime, "bought": pl.Float64}


def project(folder: Path) -> mlp.Project:
    orders = mlp.Source(
        "orders", delta=str(folder / "orders"), columns=COLUMNS, event_time="ordered_at", start="2024-01-01"
    )
    labels = mlp.Source(
        "labels", delta=str(folder / "labels"), columns=LABELS, event_time="asked_at", start="2024-01-01"
    )
    spending = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=orders,
        online=True,
        features={"spend": mlp.total("amount", over="3d")},
    )
    history = mlp.TrainingSet(
        "history", labels=labels, target="bought", features=[spending],
        split=mlp.SplitByTime(validation="1d", test="1d"),
    )  # fmt: skip
    return mlp.Project("shop", owner="team:shop", assets=[history])


def asked(*days: float) -> pl.DataFrame:
    times = [START + day * DAY for day in days]
    return pl.DataFrame({"user_id": [1] * len(times), "asked_at": times, "bought": [1.0] * len(times)})


def test_labels_during_an_outage_are_counted_and_a_late_publication_is_told(home: Path, tmp_path: Path) -> None:
    now = [START]
    orders = [START + day * DAY + HOUR for day in range(9)]
    frame = pl.DataFrame({"user_id": [1] * 9, "amount": [1.0] * 9, "ordered_at": orders})
    frame.write_delta(str(tmp_path / "orders"))
    platform = Platform(project(tmp_path), home, now=lambda: now[0])
    lags: list[tuple[bool, object]] = []
    # Days 1 and 2 in time, day 3 not at all, day 4 at noon, day 5 in time; runs begin at one, and online by two.
    for day, hours in [(1, 1.5), (2, 1.5), (3, None), (4, 12), (5, 1.5)]:
        now[0] = START + day * DAY + (hours or 1) * HOUR
        name = {"dagster/partition": f"{START + (day - 1) * DAY:%Y-%m-%d}"}
        result = platform.run(*(["features", "online"] if hours else ["features"]), tags=name)
        checks = [check for check in result.get_asset_check_evaluations() if check.check_name == SERVED_LAG]
        lags += [(check.passed, check.metadata["lag_seconds"].value) for check in checks]
    assert lags[0] == (True, -1800)
    assert [passed for passed, _ in lags] == [True, True, False, True]
    assert lags[2] == (False, 10 * 3600)
    # Day 3 at 03:00 and day 4 at 11:00 lie in the outage; day 4 at 13:00 does not; one label is at a moment.
    asked(2.5, 3.125, 3.9, 4 + 11 / 24, 4 + 13 / 24, 5, 5.5, 5.9).write_delta(str(tmp_path / "labels"))
    platform.run("training_set")
    facts = platform.metadata("training_set", "history")
    assert facts["labels_in_outages"] == 3
    assert facts["labels_at_a_moment"] == 1
    assert "before its publication" in str(facts["labels_at_a_moment_message"])
    rows = platform.environment.lake.scan(f"{platform.environment.lake.root}/shop/training_set/history")
    assert rows.sort("at").collect()["spend"].to_list() == [2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]


def test_without_an_outage_no_label_is_touched() -> None:
    times = asked(1, 2)["asked_at"]
    assert count_touched(times, []) == 0
    empty = pl.DataFrame(schema={"first": pl.Datetime("us", "UTC"), "until": pl.Datetime("us", "UTC")})
    assert count_touched(times, [empty]) == 0


@pytest.mark.parametrize(("every", "count"), [("1d", 2), ("1w", 1)])
def test_labels_exactly_at_a_moment_are_counted(every: str, count: int, tmp_path: Path) -> None:
    (view,) = project(tmp_path).feature_views
    times = asked(1, 1.5, 7)["asked_at"]
    weekly = mlp.FeatureView("spending", entity=view.entity, source=view.source, features=view.features, every=every)
    assert count_at_moments(times, weekly) == count
