"""A target that says nothing is no label: it is left out and counted. A target that the task does not have is told."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.metrics.labels import is_label, no_labels
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.champions import WEEKS, with_features
from tests.support.platform import Platform, failure, infer_body, weeks
from tests.support.snapshots import Snapshots

SPOILED = {0: None, 1: float("nan"), 2: float("inf"), 3: -float("inf")}
"""User -> what the outcomes hold instead of a label."""
UNTIL_DEPLOYED = weeks("2024-01-01", "2024-03-25")


def spoiled(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rows = shop.read_outcomes(window, purchases)
    came = pl.col("came_again")
    return rows.with_columns(
        came_again=pl.col("user_id").replace_strict(SPOILED, default=came, return_dtype=pl.Float64)
    )


def with_a_two(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rows = shop.read_outcomes(window, purchases)
    return rows.with_columns(came_again=pl.when(pl.col("user_id") == 7).then(2.0).otherwise("came_again"))


def project(read: Callable[..., pl.DataFrame]) -> mlp.Project:
    purchases, outcomes = shop.ingested()
    fields = {name: getattr(outcomes, name) for name in ("event_time", "delay", "columns", "every", "start", "end")}
    return shop.make(sources=(purchases, mlp.Source("outcomes", read=read, inputs=[purchases], **fields)))


def test_rows_without_a_label_are_learnt_by_no_model_and_judge_none(home: Path) -> None:
    made = Platform(project(spoiled), home)
    made.run("source", "features", tags=UNTIL_DEPLOYED)
    made.run("online", "training_set", "candidate", "champion")
    rows = made.environment.lake.scan(Table("shop", "training_set", "history")).collect()
    assert set(rows["user_id"]) == set(range(shop.USERS)) - SPOILED.keys()
    assert rows["came_again"].is_in([0.0, 1.0]).all()
    assert made.metadata("training_set", "history")["labels_left_out"] == {
        kind: rows.height // (shop.USERS - len(SPOILED)) * count
        for kind, count in {"NaN": 1, "infinite": 2, "null": 1}.items()
    }
    client, model = made.serve()
    body = infer_body(list(range(shop.USERS)), shop.DEPLOYED + timedelta(hours=9))
    assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).status_code == 200
    made.run("source", "features", tags={"dagster/partition": f"{shop.DEPLOYED:%Y-%m-%d}"})
    made.run(*shop.MONITORED)
    realised = made.environment.lake.scan(Table("shop", "realised_performance", "health")).collect()
    assert realised["rows"].unique().to_list() == [shop.USERS - len(SPOILED)]
    assert realised["value"].is_finite().all()
    left_out = made.metadata("realised_performance", "health")["labels_left_out"]
    assert isinstance(left_out, dict)
    assert left_out["NaN"] > 0


def test_a_target_that_a_binary_model_does_not_have_is_told_before_the_training(
    home: Path, snapshots: Snapshots
) -> None:
    made = with_features(snapshots, home, project(with_a_two))
    made.run("source", tags=WEEKS)
    made.run("training_set")
    message = failure(made.run("candidate", fails=True))
    assert "rows of the part 'train' have came_again = 2.0, and the labels of a binary model are 0 and 1" in message
    assert not (home / "training").exists()


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64, pl.Int8, pl.UInt64, pl.Boolean, pl.String])
def test_a_label_of_any_type_is_a_value(dtype: pl.DataType) -> None:
    values = {pl.String: ["a", "b", None], pl.Boolean: [True, False, None]}.get(dtype, [1, 0, None])  # type: ignore[call-overload]
    rows = pl.DataFrame({"y": pl.Series(values, dtype=dtype)})
    assert rows.select(is_label("y", rows.schema["y"])).to_series().to_list() == [True, True, False]
    assert no_labels(rows.lazy(), "y") == {"null": 1}


def test_what_is_no_label_is_counted_by_kind() -> None:
    rows = pl.LazyFrame({"y": [1.0, 0.0, 0.5, 2.0, None, float("nan"), float("inf"), -float("inf")]})
    assert no_labels(rows, "y") == {"NaN": 1, "infinite": 2, "null": 1}
    assert no_labels(rows, "y", (0.0, 1.0)) == {"NaN": 1, "infinite": 2, "null": 1, "other": 2}
