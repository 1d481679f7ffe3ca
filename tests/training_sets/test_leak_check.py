"""Five leaks planted in real tables: the blocking check catches each and names its feature and row."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration.check_names import LEAK_CERTIFICATE
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.leak_check import check_leaks
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
    """Twenty users with one order a day each."""
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
        "history",
        labels=asked,
        target="bought",
        features=[spending, *features],
        derive=derive,
        split=split,
        availability="known",
    )
    return mlp.Project("shop", owner="team:shop", assets=[history])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    orders().write_delta(tmp_path / "orders")
    labels().write_delta(tmp_path / "labels")
    return tmp_path


def leak_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = [found for found in result.get_asset_check_evaluations() if found.check_name == LEAK_CERTIFICATE]
    return evaluation


def test_a_clean_training_set_passes(folder: Path, home: Path) -> None:
    platform = Platform(project(folder), home)
    platform.run("features", tags=DAYS)
    evaluation = leak_check(platform.run("training_set"))
    assert evaluation.passed
    assert evaluation.blocking
    assert evaluation.metadata["values_compared"].value == 200 * 2
    late = pl.DataFrame(
        {"user_id": [3], "amount": [70.0], "ordered_at": [START + 20.5 * DAY], "arrived_at": [START + 30.5 * DAY]}
    )
    late.write_delta(folder / "orders", mode="append")
    platform.run("features", tags={"dagster/partition": "2024-02-09"})
    assert leak_check(platform.run("training_set")).passed


def test_a_late_row_that_counts_too_early_is_reported(folder: Path, home: Path) -> None:
    """One row of many is late, and the features were computed by a project that declared no ``known_at``."""
    late = pl.DataFrame(
        {"user_id": [3], "amount": [70.0], "ordered_at": [START + 20.5 * DAY], "arrived_at": [START + 25.5 * DAY]}
    )
    late.write_delta(folder / "orders", mode="append")
    Platform(project(folder, known={}), home).run("features", tags=DAYS)
    description = str(leak_check(Platform(project(folder), home).run("training_set", fails=True)).description)
    assert re.search(
        r"'spend_3d' of row user_id=3, at=2024-01-2\d 18:00 is 8\d.0, but 1\d.0 was known then", description
    )
    assert "it counts events that became known only afterwards" in description


def test_a_backfill_that_is_taken_for_known_earlier_is_reported(folder: Path, home: Path) -> None:
    """Sixty rows of three old days arrive in February, and features were computed from them at their event times."""
    missing = orders().filter(pl.col("ordered_at").is_between(START + 9 * DAY, START + 12 * DAY))
    kept = orders().join(missing, on=["user_id", "ordered_at"], how="anti")
    Platform(project(folder), home).run("features", tags=DAYS)
    arrived = missing.with_columns(arrived_at=pl.lit(START + 35 * DAY).cast(pl.Datetime("us", "UTC")))
    pl.concat([kept, arrived]).write_delta(folder / "orders", mode="overwrite")
    platform = Platform(project(folder), home)
    record_newest_source(platform, folder)
    description = str(leak_check(platform.run("training_set", fails=True)).description)
    assert "feature 'spend_3d' of row user_id=" in description
    assert "it counts events that became known only afterwards" in description


def record_newest_source(platform: Platform, folder: Path) -> None:
    """Records the newest version of the orders as the one that the features were computed from."""
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    location = platform.environment.lake.location(Table("shop", "features", "spending"))
    newest = DeltaTable(folder / "orders").version()
    properties = CommitProperties(app_transactions=[Transaction("source", newest + 1)])
    nothing = pl.read_delta(location).clear()
    write_deltalake(location, nothing, mode="append", commit_properties=properties)


def test_a_join_that_looks_ahead_is_reported(folder: Path, home: Path) -> None:
    platform = Platform(project(folder), home)
    platform.run("features", tags=DAYS)
    platform.run("training_set")
    lake = platform.environment.lake
    rows = lake.scan(TRAINING).sort("user_id", "at").collect()
    ahead = rows.with_columns(pl.col("spend_3d").shift(-2).over("user_id").fill_null(pl.col("spend_3d")))
    version = lake.replace(TRAINING, ahead).version
    (training_set,) = platform.project.training_sets
    scope = Scope(platform.project, platform.environment)
    (problem,) = check_leaks(scope, training_set, version, versions_read(scope, training_set)).problems
    assert "feature 'spend_3d' of row user_id=" in problem
    assert "which was in the future" in problem


def test_the_label_among_the_features_is_reported(folder: Path, home: Path) -> None:
    """The outcomes are a source of features whose delay somebody forgot to declare."""
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
    description = str(leak_check(platform.run("training_set", fails=True)).description)
    assert "feature 'last_outcome' determines the target on its own (1.0000 of 1)" in description
    assert "spend_3d" not in description


def centred() -> dict[str, pl.Expr]:
    return {"spend_above_mean": pl.col("spend_3d") - pl.col("spend_3d").mean()}


def train_never(run: mlp.TrainingRun) -> object:
    raise AssertionError("a model was trained on a training set with a leak")


def test_no_other_run_trains_on_a_training_set_that_failed(folder: Path, home: Path) -> None:
    (history,) = project(folder, derive=centred).training_sets
    model = mlp.Model(
        "buys", training_set=history, train=train_never, task="binary", gates=[mlp.AtLeast("roc_auc", 0.5)]
    )
    platform = Platform(mlp.Project("shop", owner="team:shop", assets=[model]), home)
    platform.run("features", tags=DAYS)
    platform.run("training_set", fails=True)
    message = failure(platform.run("candidate", fails=True))
    assert "TrainingSet 'history' must not be trained on: feature 'spend_above_mean'" in message
    assert "materialize shop/training_set/history again." in message


def test_a_statistic_over_the_whole_table_is_reported(folder: Path, home: Path) -> None:
    platform = Platform(project(folder, derive=centred), home)
    platform.run("features", tags=DAYS)
    description = str(leak_check(platform.run("training_set", fails=True)).description)
    assert "feature 'spend_above_mean' of row user_id=" in description
    assert "it depends on rows other than its own" in description
