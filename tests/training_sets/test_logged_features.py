"""A training set takes its features from a log: real requests, drains, labels by prediction id, and runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

import mlp_assets as mlp
from mlp_assets import testing
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.errors import LakeError, MlpError
from mlp_assets.features.source_rows import source_versions
from mlp_assets.models.promotions import champion
from mlp_assets.monitors.labelled_predictions import join_labels
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import reproduce_version
from mlp_assets.training_sets.leak_check import check_leaks
from mlp_assets.training_sets.training_set_asset import pinned_recipe, versions_read
from mlp_resources.ports.lake import Table
from tests.support.late_visits import DAY, TRAINED, USERS, Clock, build, days, make, of_request, train
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

ANSWERED, LOG = Table("shop", "training_set", "answered"), Table("shop", "predictions", "score")
COLUMNS: dict[str, Any] = {
    "prediction_id": pl.String, "user_id": pl.Int64, "came": pl.Float64, "decided_at": pl.Datetime,
}  # fmt: skip
MINUTE = timedelta(minutes=1)
STORED = ["spend_7d", "visits_7d", "mean_visit", "largest_3d"]


def answers_of(location: str, columns: dict[str, Any] | None = None) -> mlp.Source:
    return mlp.Source(
        "answers", delta=location, columns=columns or COLUMNS, event_time="decided_at", start="2024-01-01"
    )


def answered(endpoint: mlp.Endpoint, labels: mlp.Source, **fields: Any) -> mlp.TrainingSet:
    """A training set like that of the endpoint's model, with features from its log."""
    history = endpoint.model.training_set
    options: dict[str, Any] = {
        "target": "came", "features": history.features, "request": ["hour"], "derive": of_request,
        "split": mlp.SplitByTime(validation="12h", test="12h"), "features_from": endpoint,
    }  # fmt: skip
    return mlp.TrainingSet("answered", labels=labels, **(options | fields))


def with_answers(project: mlp.Project, location: str) -> mlp.Project:
    (endpoint,) = project.endpoints
    logged = answered(endpoint, answers_of(location))
    gates = [mlp.AtLeast("roc_auc", 0.0)]
    model = mlp.Model("answers", training_set=logged, train=train, task="binary", gates=gates)
    return mlp.Project("shop", owner="team:shop", assets=[*project.assets, model])


@pytest.fixture
def shop(snapshots: Snapshots, home: Path, tmp_path: Path) -> Platform:
    """An endpoint whose predictions of two days are logged, and their labels."""
    snapshots.copy_home("late-visits", home, make(), build)
    clock = Clock(timedelta(hours=1))
    platform = Platform(with_answers(make(), str(tmp_path / "answers")), home, now=clock)
    platform.run("online")
    clock.behind = timedelta()
    client, _ = platform.serve()
    for hours in (1, 6, 20, 30, 44):
        ask(client, TRAINED + timedelta(hours=hours), [*range(USERS), 9999])
    platform.run("predictions")
    return platform


def ask(client: TestClient, at: datetime, users: Sequence[int], name: str = "score") -> None:
    columns = [("user_id", users), ("hour", [(user * 7) % 24 for user in users])]
    inputs = [{"name": n, "datatype": "INT64", "shape": [len(users)], "data": list(v)} for n, v in columns]
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": inputs, "parameters": {"at": at.isoformat()}})
    assert answer.status_code == 200, answer.text


def log_of(platform: Platform) -> pl.DataFrame:
    return platform.environment.lake.scan(LOG).collect().sort("at", "user_id")


def decide(location: Path, log: pl.DataFrame) -> pl.DataFrame:
    """A label for each prediction but every seventh; a second one for some; and one of an unknown prediction."""
    came = pl.Series(np.random.default_rng(2).random(log.height) < 0.5).cast(pl.Float64)
    labels = log.select("prediction_id", "user_id", came=came, decided_at=pl.col("at") + MINUTE)
    labels = labels.filter(pl.int_range(pl.len()) % 7 != 0)
    again = labels.head(5).with_columns(came=1 - pl.col("came"), decided_at=pl.col("decided_at") + MINUTE)
    unknown = labels.head(1).with_columns(prediction_id=pl.lit("nobody"))
    pl.concat([labels, again, unknown]).sample(fraction=1, shuffle=True, seed=1).write_delta(str(location))
    return pl.concat([labels, again]).unique("prediction_id", keep="last")


def test_rows_hold_what_was_logged_with_their_prediction(shop: Platform, tmp_path: Path) -> None:
    log = log_of(shop)
    labels = decide(tmp_path / "answers", log)
    shop.run("training_set")
    rows = shop.environment.lake.scan(ANSWERED).collect()
    expected = log.join(labels.select("prediction_id", "came"), on="prediction_id").sort("at", "user_id")
    columns = ["user_id", "at", *STORED, "hour", "hourly", "came"]
    assert rows.schema == shop.environment.lake.scan(Table("shop", "training_set", "history")).collect_schema()
    assert rows.sort("at", "user_id").select(columns).equals(expected.select(columns))
    assert rows["spend_7d"].null_count() > 0
    assert set(rows["split"]) == {"train", "validation", "test"}
    shown = shop.metadata("training_set", "answered")
    assert shown["labels_without_prediction"] == 1
    assert shown["predictions_of_other_definitions"] == 0


def test_a_model_of_logged_features_is_promoted_served_and_reproduced(shop: Platform, tmp_path: Path) -> None:
    decide(tmp_path / "answers", log_of(shop))
    shop.run("training_set", "candidate", "champion")
    model = next(model for model in shop.project.models if model.name == "answers")
    scope = Scope(shop.project, shop.environment)
    live = champion(scope, model)
    assert live is not None
    artifact = shop.environment.registry.artifact(live)
    plan = serving_plan(scope, mlp.Endpoint("second", model=model), live.version, artifact, live.digest)
    assert plan["request"] == {"hour": "Int64"}
    served = ServedModel(ServingPlan.from_json(plan), shop.environment.online.open_view)
    client = TestClient(create_app(lambda: served))
    ask(client, TRAINED + timedelta(hours=45), [*range(USERS), 9999], name="second")
    assert reproduce_version(shop.project, model, live.version, environment=shop.environment).weights.same


def test_a_monitor_joins_the_labels_by_the_prediction_that_they_are_about(shop: Platform, tmp_path: Path) -> None:
    log = log_of(shop)
    labels = decide(tmp_path / "answers", log)
    model = next(model for model in shop.project.models if model.name == "answers")
    monitor = mlp.Monitor("health", watches=mlp.Endpoint("score", model=model), alarms=[mlp.DriftAlarm()])
    scope = Scope(shop.project, shop.environment)
    versions = source_versions(scope, [model.training_set.labels]) | {"shop/feedback/score": None}
    windows = log.with_columns(window=pl.lit("2024-01-29"), prediction="prediction_id").lazy()
    joined = join_labels(scope, monitor, windows, versions).rows
    expected = labels.select(prediction="prediction_id", came="came")
    assert joined.select("prediction", "came").sort("prediction").equals(expected.sort("prediction"))


def test_rows_that_differ_from_the_log_fail_the_certificate(shop: Platform, tmp_path: Path) -> None:
    decide(tmp_path / "answers", log_of(shop))
    spec = next(spec for spec in shop.project.training_sets if spec.name == "answered")
    scope = Scope(shop.project, shop.environment)
    versions = versions_read(scope, spec)
    shop.run("training_set")
    lake = shop.environment.lake
    assert not check_leaks(scope, spec, lake.version(ANSWERED) or 0, versions).problems
    rows = lake.scan(ANSWERED).collect()
    assert rows["visits_7d"].n_unique() > 2
    Path(lake.location(ANSWERED)).rename(tmp_path / "before")
    rows.with_columns(visits_7d=pl.col("visits_7d") + 1).write_delta(lake.location(ANSWERED))
    (problem,) = check_leaks(scope, spec, lake.version(ANSWERED) or 0, versions).problems
    assert problem.startswith("feature 'visits_7d' of row user_id=")
    assert problem.endswith("the log has another value")


def test_predictions_of_another_definition_are_left_out(shop: Platform, tmp_path: Path) -> None:
    """The live model still reads its own definition, so nothing in the log follows the new one."""
    location = str(tmp_path / "answers")
    decide(Path(location), log_of(shop))
    changed = Platform(with_answers(make(window="3d"), location), shop.environment.home, now=Clock())
    changed.run("features", tags=days(TRAINED - DAY, TRAINED - DAY))
    scope = Scope(changed.project, changed.environment)
    spec = next(spec for spec in changed.project.training_sets if spec.name == "answered")
    with pytest.raises(LakeError, match="were given features of other definitions than today's. Leave features_from"):
        pinned_recipe(scope, spec, versions_read(scope, spec))


def test_a_log_that_does_not_exist_is_told(home: Path, tmp_path: Path) -> None:
    platform = Platform(with_answers(make(), str(tmp_path / "answers")), home)
    scope = Scope(platform.project, platform.environment)
    pl.DataFrame(schema=stored_schema()).write_delta(str(tmp_path / "answers"))
    spec = next(spec for spec in platform.project.training_sets if spec.name == "answered")
    with pytest.raises(LakeError, match="'score' has no log of predictions yet. Materialize shop/predictions/score"):
        pinned_recipe(scope, spec, versions_read(scope, spec))


def stored_schema() -> dict[str, Any]:
    return {name: pl.Datetime("us", "UTC") if dtype is pl.Datetime else dtype for name, dtype in COLUMNS.items()}


def problems_of(**fields: Any) -> list[str]:
    (endpoint,) = make().endpoints
    labels = fields.pop("labels", answers_of("answers"))
    return [str(problem) for problem in answered(endpoint, labels, **fields).problems()]


def test_a_training_set_from_a_log_tells_what_the_log_lacks() -> None:
    (endpoint,) = make().endpoints
    other = make().feature_views[0]
    plain = answers_of("answers", {name: dtype for name, dtype in COLUMNS.items() if name != "prediction_id"})
    assert problems_of() == []
    assert problems_of(labels=plain)[0].endswith(
        "labels 'answers' do not say which prediction they are about. Declare columns={'prediction_id': pl.String} in "
        "them, with the ids that the endpoint answered."
    )
    assert "does not log the features of view 'spending'" in problems_of(features=[other], derive=None)[0]
    assert (
        "does not log the request column 'hours'. Did you mean 'hour'?"
        in problems_of(request=["hours"], derive=None)[0]
    )
    assert "availability='known', but its features are those that Endpoint 'score' served" in str(
        problems_of(availability="known")
    )
    wrong = endpoint.model.training_set.features[0]
    assert "which logs no predictions. Write features_from=an_endpoint." in str(problems_of(features_from=wrong))


def test_the_test_kit_refuses_a_training_set_from_a_log() -> None:
    (endpoint,) = make().endpoints
    with pytest.raises(MlpError, match="takes its features from a log of predictions, which a test does not have"):
        testing.training_set(answered(endpoint, answers_of("answers")), {}, {})
