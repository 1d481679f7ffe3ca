"""The record of promotions decides what is served, whatever somebody writes into the registry."""

import json
import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import mlflow
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.signed_records import digest
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.models.promotions import alias_problem, champion, judgement_of, promote, read_record
from mlp_assets.orchestration import keys
from mlp_resources.compute.local_machine import training_environment
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Transaction
from mlp_resources.ports.registry import RegistryError
from tests.support import shop
from tests.support.champions import live_version, scope_and_model, with_features, with_successor
from tests.support.platform import Platform, failure
from tests.support.snapshots import Snapshots

NAME = "shop.comes_again"


@pytest.fixture
def made(home: Path, snapshots: Snapshots) -> Platform:
    """A platform with version 1 live, and version 2 that may become the champion."""
    return with_successor(snapshots, home)


def set_tag(made: Platform, version: str, name: str, value: str) -> None:
    made.environment.registry._client().set_model_version_tag(NAME, version, name, value)  # type: ignore[attr-defined]


def test_a_promotion_is_signed_with_what_it_rests_on(made: Platform) -> None:
    result = made.run("candidate", "champion")
    record = made.metadata("champion", "comes_again")["record"]
    version = made.environment.registry.versions(NAME)[-1]
    assert isinstance(record, dict)
    assert (record["version"], record["before"], record["number"], record["passed"]) == ("3", "1", 2, True)
    (first, _) = read_record(*scope_and_model(made)).promotions
    assert (first.record["version"], first.record["before"], first.record["number"]) == ("1", "none", 1)
    assert record["artifact"] == version.digest
    assert record["training_set"] == version.tags["mlp.training_set_digest"]
    evaluations = [each for each in result.get_asset_check_evaluations() if each.asset_key.path[1] == "candidate"]
    assert set(record["checks"]) == {each.check_name for each in evaluations}
    assert {"finite_outputs", "no_worse_than_champion"} <= set(record["checks"])


def test_a_version_says_where_it_comes_from_and_what_was_measured(made: Platform) -> None:
    registry = made.environment.registry
    version = registry.versions(NAME)[0]
    client = registry._client()  # type: ignore[attr-defined]
    run = client.get_run(version.run_id)
    for part in ("train", "validation", "test"):
        value, low, high = (run.data.metrics[f"{part}.roc_auc{end}"] for end in ("", ".low", ".high"))
        assert 0.5 < low < value < high < 1
    assert run.data.metrics["used.cpu_seconds"] > 0
    assert run.data.metrics["used.peak_memory_bytes"] > 1e7
    read = json.loads(version.tags["mlp.tables_read"])
    assert set(read) == {"shop/source/outcomes", "shop/features/spending"}
    made_by = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/environment.json"))
    assert made_by["packages"]["polars"] == pl.__version__
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    assert version.tags["mlflow.source.git.commit"].startswith(commit or "none")
    card = client.get_model_version(NAME, version.version).description
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/model-card.md") == card
    for text in ("It passed its gates.", "| train |", "What it relies on", "`spend_28d`", version.tags["mlp.seed"]):
        assert text in card
    pictures = {item.path for item in client.list_artifacts(version.run_id, "pictures")}
    assert {"pictures/performance.png", "pictures/importance.png", "pictures/curves.png"} <= pictures


def test_a_version_that_somebody_says_has_passed_is_not_promoted(home: Path, snapshots: Snapshots) -> None:
    made = with_features(snapshots, home, shop.make([mlp.AtLeast("roc_auc", 0.999)]))
    made.run("training_set", "candidate")
    set_tag(made, "1", "mlp.gates", "passed")
    made.run("champion")
    scope, model = scope_and_model(made)
    assert champion(scope, model) is None
    (version,) = made.environment.registry.versions(NAME)
    forged = version.tags[registry_tags.JUDGEMENT].replace('"passed": false', '"passed": true')
    assert forged != version.tags[registry_tags.JUDGEMENT]
    set_tag(made, "1", registry_tags.JUDGEMENT, forged)
    assert "not signed with this platform's key, or was changed" in failure(made.run("champion", fails=True))
    assert champion(scope, model) is None
    assert made.environment.registry.champion(NAME) is None


def test_another_artifact_than_the_judged_one_is_not_promoted(made: Platform) -> None:
    set_tag(made, "2", "mlp.digest", "0" * 64)
    assert "was judged with another artifact than it has" in failure(made.run("champion", fails=True))
    made.environment.registry._client().delete_model_version_tag(NAME, "2", registry_tags.JUDGEMENT)  # type: ignore[attr-defined]
    assert "has no judgement to be promoted by" in failure(made.run("champion", fails=True))


def test_an_alias_moved_by_hand_is_named_not_served_and_put_back(made: Platform) -> None:
    scope, model = scope_and_model(made)
    assert alias_problem(scope, model) is None
    made.environment.registry.name_champion(NAME, "2")  # as in MLflow's own page
    problem = alias_problem(scope, model)
    assert problem is not None
    assert "names version 2, and no promotion did that: the record says 1" in problem
    made.run("online")
    assert made.serve()[1].plan.model_version == "1"
    made.run("champion")  # version 2 has passed: now it is promoted
    assert (live_version(made), alias_problem(scope, model)) == ("2", None)
    made.environment.registry.name_champion(NAME, "1")
    made.run("champion")
    found = made.environment.registry.champion(NAME)
    assert found is not None
    assert (found.version, live_version(made), len(read_record(scope, model).promotions)) == ("2", "2", 2)


def test_the_digest_that_was_signed_is_served(made: Platform) -> None:
    """A version whose artifact and tag were both changed in the registry is still not the one promoted."""
    set_tag(made, "1", "mlp.digest", "0" * 64)
    scope, model = scope_and_model(made)
    live = champion(scope, model)
    assert live is not None
    assert live.digest == judgement_of(scope, live)["artifact"]


def test_of_many_promotions_at_once_one_wins(made: Platform) -> None:
    scope, model = scope_and_model(made)
    made.run("candidate")
    waiting = made.environment.registry.versions(NAME)[1:]

    def try_to(place: int) -> str:
        try:
            promote(scope, model, read_record(scope, model), waiting[place % 2], at="now")
        except RegistryError as error:
            return str(error)
        return waiting[place % 2].version

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(try_to, range(8)))
    (won,) = [answer for answer in answers if answer in ("2", "3")]
    assert sum("another promotion came between" in answer for answer in answers) == 7
    assert [one.version for one in read_record(scope, model).promotions] == ["1", won]


@pytest.mark.parametrize("change", ["signature", "gap", "other"])
def test_a_record_that_was_tampered_with_promotes_nothing(made: Platform, change: str) -> None:
    scope, model = scope_and_model(made)
    (first,) = read_record(scope, model).promotions
    table = keys.promotions("shop", model)
    own = scope.environment.signer.read(first.text)
    text = {
        "signature": first.text.replace('"version": "1"', '"version": "2"'),
        "gap": scope.environment.signer.sign(own | {"number": 3, "previous": digest(first.text)}),
        "other": scope.environment.signer.sign(own | {"number": 2, "previous": ""}),
    }[change]
    row = pl.DataFrame({"number": [2], "version": ["2"], "record": [text]})
    made.environment.lake.append(table, row, Transaction("promotions", 2, after=1))
    with pytest.raises(RegistryError, match="cannot be trusted|does not follow the one before it"):
        champion(scope, model)
    for kind in ("champion", "candidate") if change == "gap" else ("champion",):
        assert "Promotion 2 of comes_again" in failure(made.run(kind, fails=True))


def test_the_key_is_its_owners_alone_and_no_training_hears_of_it(
    made: Platform, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = home / "keys" / "promotion"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    monkeypatch.setenv("MLP_PROMOTION_KEY", str(tmp_path / "mounted"))
    assert "MLP_PROMOTION_KEY" in os.environ
    spec = JobSpec(
        name="m", function="tests.support.shop:train", table="table", version=1, features=(), target="y", task="binary",
        seed=0, gpus=0,
    )  # fmt: skip
    runner = LocalEnvironment(home).runner
    assert isinstance(runner, LocalRunner)
    assert "MLP_PROMOTION_KEY" not in training_environment(spec, runner.inherited())
    other = LocalEnvironment(home).signer
    other.sign({})
    with pytest.raises(mlp.MlpError, match="not signed with this platform's key"):
        other.read(read_record(*scope_and_model(made)).promotions[0].text)
    (tmp_path / "mounted").write_bytes(b"short")
    with pytest.raises(RegistryError, match="has 5 bytes, not 32"):
        LocalEnvironment(home).signer.sign({})


def test_the_sensor_fails_the_check_of_the_champion_and_passes_it_again(made: Platform) -> None:
    (sensor,) = [one for one in made.definitions.sensors or [] if one.name == "watch_aliases"]

    def tick(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
        with dg.build_sensor_context(instance=made.instance, cursor=cursor) as context:
            return sensor(context)  # type: ignore[operator, return-value]

    assert isinstance(tick(None), dg.SkipReason)
    made.environment.registry.name_champion(NAME, "2")
    result = tick(None)
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert not event.passed
    assert "names version 2" in str(event.metadata["message"].value)
    assert isinstance(tick(result.cursor), dg.SkipReason)  # it is said once
    made.environment.registry.name_champion(NAME, "1")
    well = tick(result.cursor)
    assert isinstance(well, dg.SensorResult)
    assert [event.passed for event in well.asset_events if isinstance(event, dg.AssetCheckEvaluation)] == [True]
