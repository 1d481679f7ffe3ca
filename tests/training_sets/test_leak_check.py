"""Five leaks planted in real tables: each is caught by the blocking check, and named by feature and row."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.leak_check import NAME, certificate
from mlp_assets.training_sets.training_set_asset import versions_read
from mlp_resources.ports.lake import Table
from tests.support.platform import Platform, failure

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-02-09"}
USER = mlp.Entity("user", keys=["user_id"])
TRAINING = Table("shop", "training_set", "history")
ORDER: dict[str, Any] = {
    "user_id": pl.Int64,
    "amount": pl.Float64,
    "ordered_at": pl.Datetime,
    "arrived_at": pl.Datetime,
}
LABEL: dict[str, Any] = {"user_id": pl.Int64, "bought": pl.Float64, "asked_at": pl.Datetime}


def orders() -> pl.DataFrame:
    """One order a day of each of twenty users."""
    rows = [
        (user, float(user + number % 3), START + DAY * (number + 0.5)) for number in range(40) for user in range(20)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "amount", "ordered_at"], orient="row")
    return frame.with_columns(arrived_at=pl.col("ordered_at"))


def labels() -> pl.DataFrame:
    rows = [
        (user, float((user * 7 + number) % 3 == 0), START + DAY * (number + 0.75))
        for number in range(2, 40)
        for user in range(20)
    ]
    return pl.DataFrame(rows, schema=["user_id", "bought", "asked_at"], orient="row")


def project(
    folder: Path,
    known: dict[str, Any] | None = None,
    derive: Any = None,
    features: Sequence[mlp.FeatureView] = (),
) -> mlp.Project:
    source = mlp.Source(
        "orders", delta=str(folder / "orders"), columns=ORDER, event_time="ordered_at", start="2024-01-01",
        **(known if known is not None else {"known_at": "arrived_at"}),
    )  # fmt: skip
    asked = mlp.Source(
        "labels", delta=str(folder / "labels"), columns=LABEL, event_time="asked_at", delay="1d", start="2024-01-01"
    )
    spending = mlp.FeatureView(
        "spending",
        entity=USER,
        source=source,
        features={"spend_3d": mlp.total("amount", over="3d"), "orders_9d": mlp.count(over="9d")},
    )
    split = mlp.SplitByTime(validation="5d", test="5d")
    history = mlp.TrainingSet(
        "history", labels=asked, target="bought", features=[spending, *features], derive=derive, split=split
    )
    return mlp.Project("shop", owner="team:shop", assets=[history])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    orders().write_delta(tmp_path / "orders")
    labels().write_delta(tmp_path / "labels")
    return tmp_path


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == NAME]
    return found


def test_a_clean_training_set_has_its_certificate(folder: Path, home: Path) -> None:
    platform = Platform(project(folder), home)
    platform.run("features", tags=DAYS)
    found = check(platform.run("training_set"))
    assert found.passed
    assert found.blocking
    assert found.metadata["values_compared"].value == 200 * 2
    late = pl.DataFrame(
        {"user_id": [3], "amount": [70.0], "ordered_at": [START + 20.5 * DAY], "arrived_at": [START + 30.5 * DAY]}
    )
    late.write_delta(folder / "orders", mode="append")
    platform.run("features", tags={"dagster/partition": "2024-02-09"})
    assert check(platform.run("training_set")).passed


def test_a_late_row_that_counts_too_early_is_named(folder: Path, home: Path) -> None:
    """One row of many is late, and the features were computed by a project that did not know."""
    late = pl.DataFrame(
        {"user_id": [3], "amount": [70.0], "ordered_at": [START + 20.5 * DAY], "arrived_at": [START + 25.5 * DAY]}
    )
    late.write_delta(folder / "orders", mode="append")
    Platform(project(folder, known={}), home).run("features", tags=DAYS)
    told = str(check(Platform(project(folder), home).run("training_set", fails=True)).description)
    assert re.search(r"'spend_3d' of row user_id=3, at=2024-01-2\d 18:00 is 8\d.0, and 1\d.0 was known then", told)
    assert "it counts events that became known only afterwards" in told


def test_a_backfill_that_pretends_to_have_been_there_is_named(folder: Path, home: Path) -> None:
    """A hundred rows of three old days arrive in February, after the features were computed of them."""
    missing = orders().filter(pl.col("ordered_at").is_between(START + 9 * DAY, START + 12 * DAY))
    kept = orders().join(missing, on=["user_id", "ordered_at"], how="anti")
    Platform(project(folder), home).run("features", tags=DAYS)
    arrived = missing.with_columns(arrived_at=pl.lit(START + 35 * DAY).cast(pl.Datetime("us", "UTC")))
    pl.concat([kept, arrived]).write_delta(folder / "orders", mode="overwrite")
    platform = Platform(project(folder), home)
    record_newest_source(platform, folder)
    told = str(check(platform.run("training_set", fails=True)).description)
    assert "feature 'spend_3d' of row user_id=" in told
    assert "it counts events that became known only afterwards" in told


def record_newest_source(platform: Platform, folder: Path) -> None:
    """Marks the features as computed from the newest orders, which they were not."""
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    location = platform.environment.lake.location(Table("shop", "features", "spending"))
    newest = DeltaTable(folder / "orders").version()
    properties = CommitProperties(app_transactions=[Transaction("source", newest + 1)])
    nothing = pl.read_delta(location).clear()
    write_deltalake(location, nothing, mode="append", commit_properties=properties)


def test_a_join_to_the_future_is_named(folder: Path, home: Path) -> None:
    platform = Platform(project(folder), home)
    platform.run("features", tags=DAYS)
    platform.run("training_set")
    lake = platform.environment.lake
    rows = lake.scan(TRAINING).sort("user_id", "at").collect()
    ahead = rows.with_columns(pl.col("spend_3d").shift(-2).over("user_id").fill_null(pl.col("spend_3d")))
    version = lake.replace(TRAINING, ahead).version
    (training_set,) = platform.project.training_sets
    scope = Scope(platform.project, platform.environment)
    found = certificate(scope, training_set, version, versions_read(scope, training_set))
    assert not found.passed
    assert "feature 'spend_3d' of row user_id=" in str(found.description)
    assert "which was in the future" in str(found.description)
    assert "orders_9d" not in str(found.description)


def test_the_label_among_the_features_is_named(folder: Path, home: Path) -> None:
    """Outcomes as a source of features, by someone who forgot that they are known a day later."""
    at_once = mlp.Source(
        "outcomes", delta=str(folder / "known"), columns=LABEL, event_time="asked_at", start="2024-01-01"
    )
    labels().with_columns(pl.col("asked_at") - DAY).write_delta(folder / "known")
    view = mlp.FeatureView(
        "outcomes",
        entity=USER,
        source=at_once,
        features={"last_outcome": mlp.latest("bought", over="9d")},
    )
    platform = Platform(project(folder, features=[view]), home)
    platform.run("features", tags=DAYS)
    told = str(check(platform.run("training_set", fails=True)).description)
    assert "feature 'last_outcome' tells the target by itself (1.0000 of 1), as only the answer can" in told
    assert "spend_3d" not in told


def centred() -> dict[str, pl.Expr]:
    return {"spend_above_mean": pl.col("spend_3d") - pl.col("spend_3d").mean()}


def never(run: mlp.TrainingRun) -> object:
    raise AssertionError("a model is trained on a training set that has a leak")


def test_a_training_set_that_failed_is_not_trained_on_by_another_run(folder: Path, home: Path) -> None:
    (history,) = project(folder, derive=centred).training_sets
    model = mlp.Model("buys", training_set=history, train=never, task="binary", gates=[mlp.AtLeast("roc_auc", 0.5)])
    platform = Platform(mlp.Project("shop", owner="team:shop", assets=[model]), home)
    platform.run("features", tags=DAYS)
    platform.run("training_set", fails=True)
    told = failure(platform.run("candidate", fails=True))
    assert "TrainingSet 'history' must not be trained on: feature 'spend_above_mean'" in told
    assert "Mend it, and materialize shop/training_set/history again." in told


def test_a_statistic_over_the_whole_table_is_named(folder: Path, home: Path) -> None:
    platform = Platform(project(folder, derive=centred), home)
    platform.run("features", tags=DAYS)
    told = str(check(platform.run("training_set", fails=True)).description)
    assert "feature 'spend_above_mean' of row user_id=" in told
    assert "it depends on other rows than its own" in told
