"""A champion never sees a value of another definition than it was trained on: features change while it answers."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from starlette.testclient import TestClient

import mlp_assets as mlp
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.features.definitions.definition_note import newest_location
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_assets.orchestration.facts import data_version_of
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags
from mlp_resources.ports.lake import Table
from tests.support import late_visits
from tests.support.late_visits import DAY, START, TRAINED, USERS, Clock, build, days, make
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

HOUR = timedelta(hours=1)
NEW_DAYS = days(TRAINED, TRAINED + DAY)
FEATURES = ("spend_7d", "visits_7d", "mean_visit", "largest_3d", "hourly")
ASKED = TRAINED + 2 * DAY + HOUR


def other_formulas() -> mlp.Project:
    """A window, a filter, and both ``derive`` changed under the same names."""
    return make("9d", pl.col("amount") > 40, late_visits.twice_the_mean_visit, late_visits.of_request_minutes)


@pytest.fixture
def first(snapshots: Snapshots, home: Path, clock: Clock) -> Platform:
    """A deployed champion of the first definitions."""
    snapshots.copy_home("late-visits", home, make(), build)
    made = Platform(make(), home, now=clock)
    made.run("online")
    deploy(made)
    return made


@pytest.fixture
def unchanged(snapshots: Snapshots, tmp_path: Path) -> Platform:
    """The same, in another home where nothing is ever changed; two days later."""
    home = tmp_path / "unchanged"
    snapshots.copy_home("late-visits", home, make(), build)
    made = Platform(make(), home)
    advance(made)
    return made


def deploy(platform: Platform) -> None:
    """Writes the desired state of the endpoint as the serving adapter does."""
    (endpoint,) = platform.project.endpoints
    scope = Scope(platform.project, platform.environment)
    live = champion(scope, endpoint.model)
    assert live is not None
    artifact = platform.environment.registry.artifact(live)
    plan = serving_plan(scope, endpoint, live.version, artifact, live.digest)
    state = platform.environment.home / "serving" / "desired.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps({"shop.score": {"plan": plan, "options": {}}}))


def restarted(platform: Platform) -> tuple[TestClient, ServedModel]:
    """A replica that has just started by the desired state."""
    plan = platform.environment.serving.desired()["shop.score"]["plan"]
    model = ServedModel(ServingPlan.from_json(plan), platform.environment.online.open_view)
    return TestClient(create_app(lambda: model)), model


def advance(platform: Platform) -> None:
    """Two days pass."""
    platform.run("source", "features", tags=NEW_DAYS)
    platform.run("online")


def answers(served: tuple[TestClient, ServedModel]) -> list[Any]:
    """What all users are answered, and the numbers that the model was given."""
    client, model = served
    users = list(range(USERS))
    columns = [("user_id", users), ("hour", [user % 24 for user in users])]
    inputs = [{"name": name, "datatype": "INT64", "shape": [USERS], "data": values} for name, values in columns]
    body = {"inputs": inputs, "parameters": {"at": ASKED.isoformat()}}
    answer = client.post("/v2/models/score/infer", json=body)
    assert answer.status_code == 200, answer.text
    file = max(model.plan.spool.glob("predictions-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    entry = json.loads(file.read_text().splitlines()[-1])
    return [entry["prediction"], entry["inputs"], entry["missing"], entry["expired"]]


def locations(platform: Platform) -> dict[str, str]:
    (entry,) = platform.environment.serving.desired().values()
    return {view["name"]: view["location"] for view in entry["plan"]["views"]}


def online(platform: Platform) -> Iterator[str]:
    """The names of the publications in the embedded store."""
    yield from sorted(path.name for path in (platform.environment.home / "online" / "shop").iterdir())


def data_version(platform: Platform, view: str) -> str | None:
    """Of the newest publication; the endpoint's asset is out of date when it changes."""
    return data_version_of(
        platform.instance.get_latest_materialization_event(dg.AssetKey(["shop", "online", f"{view}_online"]))
    )


def skew(platform: Platform) -> tuple[Any, Any]:
    """Drains the log. The skew check passes; returns the rows that it compared, and the differences."""
    evaluations = platform.run("predictions").get_asset_check_evaluations()
    (check,) = [each for each in evaluations if each.check_name == FEATURE_SKEW]
    assert check.passed, check.description
    return check.metadata["rows_compared"].value, check.metadata["differences"].value


def test_a_champion_reads_the_definitions_it_was_trained_on(
    first: Platform, unchanged: Platform, home: Path, clock: Clock
) -> None:
    running = restarted(first)
    changed = Platform(other_formulas(), home, now=clock)
    advance(changed)
    expected = answers(unchanged.serve())
    assert answers(running) == expected
    assert answers(restarted(changed)) == expected  # its plan holds the derive of then
    assert answers(changed.serve()) == expected  # a plan that was compiled after the change
    assert skew(changed) == (3 * USERS, 0)


def test_the_next_model_reads_todays_definitions_and_the_old_ones_are_removed(
    first: Platform, home: Path, tmp_path: Path, clock: Clock
) -> None:
    before = locations(first)
    changed = Platform(other_formulas(), home, now=clock)
    advance(changed)
    changed.run("training_set", "candidate", "champion")
    deploy(changed)
    after = locations(changed)
    assert after["habits"] == before["habits"]
    assert after["spending"] != before["spending"]
    assert (data_version(changed, "habits"), data_version(changed, "spending") != "first") == ("first", True)
    fresh = Platform(other_formulas(), tmp_path / "fresh")
    fresh.run("source", "features", tags=days(START, TRAINED - DAY))
    advance(fresh)
    served = answers(changed.serve())[1]
    plan = changed.environment.serving.desired()["shop.score"]["plan"]
    views = [view | {"location": str(tmp_path / "fresh" / "online" / "shop" / view["name"])} for view in plan["views"]]
    spool = str(tmp_path / "spool")
    model = ServedModel(ServingPlan.from_json(plan | {"views": views, "spool": spool}), fresh.environment.open_view)
    assert served == answers((TestClient(create_app(lambda: model)), model))[1]
    assert skew(changed) == (USERS, 0)
    assert newest_location(changed.environment, "shop", "spending") == after["spending"]
    changed.run("online")
    assert set(online(changed)) == {Path(place).name for place in (*before.values(), *after.values())}
    clock.behind = -2 * HOUR
    changed.run("online")
    assert set(online(changed)) == {Path(place).name for place in after.values()}


def test_a_new_feature_changes_nothing_for_the_champion(first: Platform, unchanged: Platform, home: Path) -> None:
    before = locations(first)
    more = Platform(make(most_5d=mlp.maximum("amount", over="5d")), home)
    advance(more)
    deploy(more)
    assert locations(more) == before
    assert answers(restarted(more)) == answers(unchanged.serve())
    table = more.environment.lake.scan(late_visits.SPENDING).collect()
    seen = table.filter(pl.col("event_time") < TRAINED, pl.col("visits_7d") > 0)
    assert seen["most_5d"].is_not_null().mean() > 0.9  # of days that were computed before it was declared


def test_a_removed_feature_stays_online_for_the_champion(first: Platform, unchanged: Platform, home: Path) -> None:
    running = restarted(first)
    fewer = Platform(other_formulas(), home)
    advance(fewer)
    again = Platform(make(), home)  # and back: the table follows a third definition
    again.run("features", tags=NEW_DAYS)
    again.run("online")
    assert answers(running) == answers(unchanged.serve())
    assert skew(again) == (USERS, 0)


def predictions(platform: Platform) -> pl.DataFrame:
    """What the batch of the new days predicts, by its rows."""
    platform.run("batch_score", tags=NEW_DAYS)
    scores = platform.environment.lake.scan(Table("shop", "batch_score", "nightly")).collect()
    return scores.select("user_id", "at", "hour", "prediction", *FEATURES).sort("at", "user_id")


def test_a_batch_is_scored_by_the_definitions_of_the_champion(first: Platform, unchanged: Platform, home: Path) -> None:
    changed = Platform(other_formulas(), home)
    changed.run("source", "features", tags=NEW_DAYS)
    assert_frame_equal(predictions(changed), predictions(unchanged), check_exact=True)


def test_a_champion_is_compared_on_the_definitions_of_its_own(first: Platform, unchanged: Platform, home: Path) -> None:
    changed = Platform(other_formulas(), home)
    advance(changed)
    for platform in (changed, unchanged):
        platform.run("training_set", "candidate")
    compared = [rival_of(platform) for platform in (changed, unchanged)]
    assert compared[0] == compared[1]


def rival_of(platform: Platform) -> dict[str, float]:
    """The champion's metrics beside the newest candidate."""
    newest = platform.environment.registry.versions("shop.comes")[-1]
    return json.loads(newest.tags[registry_tags.COMPARED])["champion"]
