"""A candidate is judged in a real run: each gate is a blocking check; nothing is learnt from a part of one class."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

import mlp_assets as mlp
from mlp_assets.models.judging import TRAINED_TAG
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, failure, weeks

WEEKS = weeks("2024-01-01", "2024-04-22")
GATES = [
    mlp.OnEverySlice("log_loss", 0.9, by="spend_28d", min_rows=50),
    mlp.Calibrated(0.2),
    mlp.FasterThan(200, rows=10),
    mlp.SmallerThan(10),
    mlp.NoWorseThan("champion", margin=0.05),
]


def test_every_gate_is_a_check_and_the_champion_is_judged_on_what_it_did_not_see(home: Path) -> None:
    made = Platform(shop.make(GATES), home)  # type: ignore[arg-type]
    made.run("source", "features", tags=WEEKS)
    result = made.run("online", "training_set", "candidate", "champion")
    checks = {
        one.check_name: one for one in result.get_asset_check_evaluations() if one.asset_key.path[1] == "candidate"
    }
    always = {"finite_outputs", "same_in_any_order_and_batch"}
    assert checks.keys() == {gate.name for gate in GATES} | always
    assert all(each.passed and each.blocking for each in checks.values())
    assert "on 4 of 4 slices by spend_28d" in str(checks["log_loss_on_every_spend_28d"].metadata["message"].value)
    (first,) = made.environment.registry.versions("shop.comes_again")
    seen = made.environment.lake.scan(Table("shop", "training_set", "history")).filter(pl.col("split") != "test")
    until = datetime.fromisoformat(first.tags[TRAINED_TAG])
    assert until == seen.select(pl.col("at").max()).collect().item()
    # A champion that was trained on all of these rows but the newest week's.
    client = made.environment.registry._client()
    client.set_model_version_tag("shop.comes_again", "1", TRAINED_TAG, (until + timedelta(weeks=3)).isoformat())
    again = made.run("candidate")
    told = {each.check_name: str(each.metadata["message"].value) for each in again.get_asset_check_evaluations()}
    assert "Judged on the 400 of 1600 rows that the champion was not trained on." in told["no_worse_than_champion"]
    client.set_model_version_tag("shop.comes_again", "1", TRAINED_TAG, (until + timedelta(weeks=9)).isoformat())
    refused = made.run("candidate", fails=True)
    (check,) = [each for each in refused.get_asset_check_evaluations() if each.check_name == "no_worse_than_champion"]
    assert not check.passed
    assert made.environment.registry.versions("shop.comes_again")[-1].tags["mlp.gates"] == "refused"


def test_a_champion_was_not_trained_on_the_groups_of_the_test_part_either(home: Path) -> None:
    (model,) = shop.make().models
    split = mlp.SplitByGroup("user_id")
    told: list[str] = []
    for rule in (split, split, replace(split, seed=1)):
        changed = replace(model, training_set=replace(model.training_set, split=rule))
        made = Platform(mlp.Project("shop", owner="team:shop", assets=[changed]), home)
        if not told:
            made.run("source", "features", tags=WEEKS)
        result = made.run("training_set", "candidate", "champion", fails=rule.seed == 1)
        checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
        told.append(str(checks["no_worse_than_champion"].metadata["message"].value))
    assert told[0].startswith("There is no champion yet")
    assert "better by 0.0000" in told[1]
    assert "that the champion was not trained on" not in told[1]
    assert "The champion was trained on all rows" in told[2]  # of other groups: by time, none is new


def of_one_class(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rows = shop.read_outcomes(window, purchases)
    return rows if window.start.month < 4 else rows.with_columns(came_again=pl.lit(1.0))


def test_a_part_of_one_class_is_not_trained_on_and_nothing_is_registered(home: Path) -> None:
    purchases, outcomes = shop.ingested()
    fields = {name: getattr(outcomes, name) for name in ("event_time", "delay", "columns", "every", "start", "end")}
    changed = mlp.Source("outcomes", read=of_one_class, inputs=[purchases], **fields)
    made = Platform(shop.make(sources=(purchases, changed)), home)
    made.run("source", "features", tags=WEEKS)
    made.run("training_set")
    told = failure(made.run("candidate", fails=True))
    assert "Model 'comes_again': all 1600 rows of the part 'test' (2024-" in told
    assert "have came_again = 1, and a binary model needs both classes there. Look at the labels of that time" in told
    assert made.environment.registry.versions("shop.comes_again") == []
    assert not (home / "training").exists()
