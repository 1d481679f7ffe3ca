"""A version becomes the champion if its signed judgement passed and was made against the champion of now."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

import mlp_assets as mlp
from mlp_assets.errors import MlpError
from mlp_assets.models.champion_asset import Choice, choose_version
from mlp_assets.models.promotions import promote, read_record
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table
from mlp_resources.ports.registry import RegisteredVersion
from tests.support import shop
from tests.support.champions import WEEKS, live_version, scope_and_model, with_champion, with_successor
from tests.support.platform import Platform, failure, infer_body
from tests.support.shop import DEPLOYED, MONITORED
from tests.support.snapshots import Snapshots


def versions(scope: Scope, *verdicts: bool | None) -> list[RegisteredVersion]:
    """Versions from 1 on: with a signed judgement that passed or not, or without one."""
    return [version_of(scope, number, verdict) for number, verdict in enumerate(verdicts, 1)]


def version_of(scope: Scope, number: int, verdict: bool | None) -> RegisteredVersion:
    checks = {"roc_auc_at_least": {"passed": verdict}, "finite_outputs": {"passed": True}}
    judged = {"artifact": "digest", "checks": checks, "passed": verdict, "against": "none"}
    signed = scope.environment.signer.sign(judged)
    judgement = {registry_tags.JUDGEMENT: signed} if verdict is not None else {}
    tags = judgement | {registry_tags.GATES: registry_tags.GATES_PASSED}  # the unsigned tag decides nothing
    return RegisteredVersion("m", str(number), "run", "digest", tags)


def test_the_newest_that_passed_is_chosen(home: Path) -> None:
    scope = Scope(shop.make(), LocalEnvironment(home))
    found = versions(scope, True, True, False)
    first, second, _ = found
    refused = "Version 3 of m did not pass roc_auc_at_least: version 2 is promoted."
    assert choose_version(scope, "m", found, None) == Choice(second, refused)
    assert choose_version(scope, "m", found, first) == Choice(second, refused)  # a later refusal takes nothing from it
    assert choose_version(scope, "m", [first], first) == Choice(first)
    assert choose_version(scope, "m", found[:2], first) == Choice(second)
    assert choose_version(scope, "m", found, second) == Choice(second, refused.replace("is promoted", "stays"))
    nobody = "Version 1 of m did not pass roc_auc_at_least: there is no champion yet."
    assert choose_version(scope, "m", versions(scope, False), None) == Choice(None, nobody)
    chosen = choose_version(scope, "m", versions(scope, True, None), None)  # nobody judged version 2
    assert chosen.version is not None
    assert chosen.version.version == "1"
    assert "Version 2 of m has no judgement" in chosen.refused
    with pytest.raises(MlpError, match="has no judgement to be promoted by"):
        choose_version(scope, "m", versions(scope, True, None), found[0])
    with pytest.raises(MlpError, match="has no version yet"):
        choose_version(scope, "m", [], None)


def test_a_version_that_was_not_compared_with_the_champion_is_not_promoted(home: Path, snapshots: Snapshots) -> None:
    made = with_successor(snapshots, home)
    made.run("candidate")
    scope, model = scope_and_model(made)
    faster = made.environment.registry.versions("shop.comes_again")[1]
    promote(scope, model, read_record(scope, model), faster, at="now")
    message = failure(made.run("champion", fails=True))
    assert "version 3 was not compared with it. Materialize the candidate again." in message
    assert live_version(made) == "2"


def test_features_may_be_added_and_taken_away(home: Path, snapshots: Snapshots) -> None:
    """The table takes it, the monitor keeps up with both versions, and a comparison that is none is refused."""
    made = with_champion(snapshots, home)
    client, model = made.serve()
    body = infer_body(list(range(shop.USERS)), DEPLOYED)
    assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).status_code == 200

    wider = {**shop.FEATURES, "visits_28d": mlp.count(over="28d")}
    more = Platform(shop.make([mlp.AtLeast("roc_auc", 0.6)], features=wider), home)
    more.run("features", tags=WEEKS)
    more.run("online", "training_set", "candidate")
    # The champion knows the derived share, which is gone: without NoWorseThan the other gates decide.
    more.run("champion")
    client, model = more.serve()
    body = infer_body(list(range(shop.USERS)), DEPLOYED + timedelta(weeks=1))
    assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).json()["model_version"] == "2"
    more.run(*MONITORED)
    drift = more.environment.lake.scan(Table("shop", "drift", "health")).collect()
    features = {part["model_version"][0]: set(part["feature"]) for part in drift.partition_by("model_version")}
    assert features["1"] == {"spend_7d", "spend_28d", "spend_share", "prediction"}
    assert features["2"] == {"spend_7d", "spend_28d", "visits_28d", "prediction"}


def test_a_champion_of_features_that_are_gone_is_compared_by_them(home: Path, snapshots: Snapshots) -> None:
    fewer = with_champion(snapshots, home, shop.make(features={"spend_28d": shop.FEATURES["spend_28d"]}))
    fewer.run("features", tags=WEEKS)
    fewer.run("online", "training_set", "candidate", "champion")
    assert live_version(fewer) == "2"
    newest = fewer.environment.registry.versions("shop.comes_again")[-1]
    before = fewer.environment.registry.versions("shop.comes_again")[0]
    alone, beside = (json.loads(version.tags[registry_tags.COMPARED]) for version in (before, newest))
    assert beside["champion"] == alone["candidate"]
