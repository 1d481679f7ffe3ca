"""The alias moves only to a version that passed, and only from the version that it was compared with."""

from datetime import timedelta
from pathlib import Path

import pytest

import mlp_assets as mlp
from mlp_assets.errors import MlpError
from mlp_assets.models.champion_asset import _chosen
from mlp_assets.models.promotions import champion, promote
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table
from mlp_resources.ports.registry import RegisteredVersion
from tests.support import shop
from tests.support.platform import Platform, failure, infer_body, weeks
from tests.support.shop import DEPLOYED, MONITORED
from tests.support.snapshots import Snapshots

WEEKS = weeks("2024-01-01", "2024-04-22")


def promoted(home: Path, snapshots: Snapshots) -> Platform:
    """A platform with version 1 as the champion."""
    return snapshots.copy("shop-promoted", home, shop.make(), promote_first)


def promote_first(platform: Platform) -> None:
    platform.run("source", "features", tags=WEEKS)
    platform.run("online", "training_set", "candidate", "champion")


def scope_and_model(made: Platform) -> tuple[Scope, mlp.Model]:
    (model,) = made.project.models
    return Scope(made.project, made.environment), model


def live_version(made: Platform) -> str:
    live = champion(*scope_and_model(made))
    assert live is not None
    return live.version


def versions(*verdicts: str) -> list[RegisteredVersion]:
    return [
        RegisteredVersion("m", str(number), "run", "digest", {"mlp.gates": verdict, "mlp.judged_against": "none"})
        for number, verdict in enumerate(verdicts, 1)
    ]


def test_the_newest_that_passed_is_chosen() -> None:
    found = versions("passed", "passed", "refused")
    assert _chosen("m", found, None).version == "2"
    assert _chosen("m", found, found[0]).version == "2"  # a later refusal takes nothing from it
    assert _chosen("m", versions("passed"), versions("passed")[0]).version == "1"
    for refused, live in ((found, found[1]), (versions("refused"), None)):
        with pytest.raises(MlpError, match="did not pass its gates"):
            _chosen("m", refused, live)
    with pytest.raises(MlpError, match="has no version yet"):
        _chosen("m", [], None)


def test_a_version_that_was_not_compared_with_the_champion_is_not_promoted(home: Path, snapshots: Snapshots) -> None:
    made = promoted(home, snapshots)
    for _ in range(2):
        made.run("candidate")
    scope, model = scope_and_model(made)
    promote(scope, model, made.environment.registry.versions("shop.comes_again")[1], at="now")  # another was faster
    told = failure(made.run("champion", fails=True))
    assert "version 3 was not compared with it. Materialize the candidate again." in told
    assert live_version(made) == "2"


def test_features_may_be_added_and_taken_away(home: Path, snapshots: Snapshots) -> None:
    """The table takes it, the monitor keeps up with both versions, and a comparison that is none is refused."""
    made = promoted(home, snapshots)
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


def test_a_champion_of_features_that_are_gone_cannot_be_compared(home: Path, snapshots: Snapshots) -> None:
    promoted(home, snapshots)
    fewer = Platform(shop.make(features={"spend_28d": shop.FEATURES["spend_28d"]}), home)
    fewer.run("features", tags=WEEKS)
    fewer.run("online", "training_set", "candidate", fails=True)
    gates = str(fewer.metadata("candidate", "comes_again")["gates"])
    assert "The champion takes ['spend_7d', 'spend_share'], which the training set no longer has" in gates
    fewer_gates = [mlp.AtLeast("roc_auc", 0.6)]
    alone = Platform(shop.make(fewer_gates, features={"spend_28d": shop.FEATURES["spend_28d"]}), home)
    alone.run("candidate", "champion")
    assert live_version(alone) == "3"
