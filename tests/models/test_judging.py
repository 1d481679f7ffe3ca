"""A candidate is judged in a real run: each gate is a check; nothing is learnt from a part of one class."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

import mlp_assets as mlp
from mlp_assets.models.promotions import read_record
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table, Transaction
from tests.support import shop
from tests.support.champions import WEEKS, with_features
from tests.support.platform import Platform, failure
from tests.support.snapshots import Snapshots

NAME = "shop.comes_again"
GATES = [
    mlp.OnEverySlice("log_loss", 0.9, by="spend_28d", min_rows=50),
    mlp.Calibrated(0.2),
    mlp.FasterThan(200, rows=10),
    mlp.SmallerThan(10),
    mlp.NoWorseThan("champion", margin=0.05),
]


def test_every_gate_is_a_check_and_the_champion_is_judged_on_what_it_did_not_see(
    home: Path, snapshots: Snapshots
) -> None:
    made = with_features(snapshots, home, shop.make(GATES))  # type: ignore[arg-type]
    result = made.run("training_set", "candidate", "champion")
    checks = {
        check.check_name: check
        for check in result.get_asset_check_evaluations()
        if check.asset_key.path[1] == "candidate"
    }
    always = {"finite_outputs", "same_in_any_order_and_batch", "feature_skew"}
    assert checks.keys() == {gate.name for gate in GATES} | always
    assert all(check.passed and not check.blocking for check in checks.values())
    assert "on 4 of 4 slices by spend_28d" in str(checks["log_loss_on_every_spend_28d"].metadata["message"].value)
    (first,) = made.environment.registry.versions(NAME)
    seen = made.environment.lake.scan(Table("shop", "training_set", "history")).filter(pl.col("split") != "test")
    until = datetime.fromisoformat(first.tags[registry_tags.TRAINED_UNTIL])
    assert until == seen.select(pl.col("at").max()).collect().item()
    (last,) = read_record(Scope(made.project, made.environment), made.project.models[0]).promotions
    assert last.record["trained_until"] == until.isoformat()
    what_counts_is_what_was_signed_not_a_tag(made, until)


def what_counts_is_what_was_signed_not_a_tag(made: Platform, until: datetime) -> None:
    client = made.environment.registry._client()  # type: ignore[attr-defined]
    later = (until + timedelta(weeks=9)).isoformat()
    client.set_model_version_tag(NAME, "1", registry_tags.TRAINED_UNTIL, later)
    # A champion that was trained on all of these rows but the newest week's.
    sign_again(made, trained_until=(until + timedelta(weeks=3)).isoformat())
    message = message_of(made.run("candidate"), "no_worse_than_champion")
    assert "Judged on the 400 of 1600 rows that the champion was not trained on." in message
    sign_again(made, trained_until=None)  # a promotion that is older than this part of the record goes by the tag
    assert "was trained on all rows" in message_of(made.run("candidate"), "no_worse_than_champion")
    assert made.environment.registry.versions(NAME)[-1].tags[registry_tags.GATES] == "refused"


def message_of(result: dg.ExecuteInProcessResult, check: str) -> str:
    (evaluation,) = [each for each in result.get_asset_check_evaluations() if each.check_name == check]
    return str(evaluation.metadata["message"].value)


def sign_again(made: Platform, trained_until: str | None) -> None:
    """Adds a promotion of version 1 whose record says, or does not say, until when it was trained."""
    (model,) = made.project.models
    record = read_record(Scope(made.project, made.environment), model)
    assert record.last is not None
    number = len(record.promotions) + 1
    signed = {name: value for name, value in record.last.record.items() if name != "trained_until"}
    signed |= {"number": number, "previous": record.previous}
    signed |= {"trained_until": trained_until} if trained_until else {}
    row = pl.DataFrame({"number": [number], "version": ["1"], "record": [made.environment.signer.sign(signed)]})
    written = Transaction("promotions", number, after=number - 1)
    assert made.environment.lake.append(keys.promotions("shop", model), row, written).changed


def test_a_champion_was_not_trained_on_the_groups_of_the_test_part_either(home: Path, snapshots: Snapshots) -> None:
    (model,) = shop.make().models
    split = mlp.SplitByGroup("user_id")
    messages: list[str] = []
    for rule in (split, split, replace(split, seed=1)):
        changed = replace(model, training_set=replace(model.training_set, split=rule))
        project = mlp.Project("shop", owner="team:shop", assets=[changed])
        made = Platform(project, home) if messages else with_features(snapshots, home, project)
        result = made.run("training_set", "candidate", "champion")
        messages.append(message_of(result, "no_worse_than_champion"))
    assert messages[0].startswith("There is no champion yet")
    assert "better by 0.0000" in messages[1]
    assert "that the champion was not trained on" not in messages[1]
    assert "The champion was trained on all rows" in messages[2]  # of other groups: by time, none is new


def of_one_class(window: mlp.Window, purchases: pl.LazyFrame) -> pl.DataFrame:
    rows = shop.read_outcomes(window, purchases)
    return rows if window.start.month < 4 else rows.with_columns(came_again=pl.lit(1.0))


def test_a_part_of_one_class_is_not_trained_on_and_nothing_is_registered(home: Path, snapshots: Snapshots) -> None:
    purchases, outcomes = shop.ingested()
    fields = {name: getattr(outcomes, name) for name in ("event_time", "delay", "columns", "every", "start", "end")}
    changed = mlp.Source("outcomes", read=of_one_class, inputs=[purchases], **fields)
    made = with_features(snapshots, home, shop.make(sources=(purchases, changed)))
    made.run("source", tags=WEEKS)
    made.run("training_set")
    message = failure(made.run("candidate", fails=True))
    assert "Model 'comes_again': all 1600 rows of the part 'test' (2024-" in message
    assert (
        "have came_again = 1, and a binary model needs both classes there. Look at the labels of that time" in message
    )
    assert made.environment.registry.versions("shop.comes_again") == []
    assert not (home / "training").exists()
