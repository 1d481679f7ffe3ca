"""A model that names one of several classes, of numbers and of a text: trained, judged, served, logged and watched."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.openapi import example_request
from mlp_assets.platform import reproduce_version
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.champions import WEEKS, with_features
from tests.support.named_shop import CHANNELS, named, read_visits
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots

AT = datetime(2024, 4, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, snapshots: Snapshots) -> Platform:
    made = with_features(snapshots, tmp_path_factory.mktemp("built"), named())
    made.run("source", tags=WEEKS)
    made.run("online", "training_set", "candidate", "champion")
    return made


def body(users: list[int], notes: list[str], **asked: Any) -> dict[str, Any]:
    columns = (("user_id", "INT64", users), ("note", "BYTES", notes))
    tensors = [{"name": name, "datatype": kind, "shape": [len(data)], "data": data} for name, kind, data in columns]
    return {"inputs": tensors, "parameters": {"at": AT.isoformat()}} | asked


def test_it_is_judged_by_metrics_of_classes(built: Platform) -> None:
    shown = built.metadata("candidate", "comes_again")
    metrics = shown["metrics"]
    assert set(metrics) == {"candidate", "tfidf", "base_rate"}  # type: ignore[call-overload]
    assert set(metrics["candidate"]) == {"accuracy", "log_loss", "macro_f1"}  # type: ignore[index]
    assert metrics["candidate"]["accuracy"] > metrics["tfidf"]["accuracy"] + 0.03  # type: ignore[index]
    assert str(shown["performance"]).startswith("![")
    version = built.environment.registry.versions("shop.comes_again")[-1]
    report = json.loads(built.environment.registry.document(version, "report.json"))
    assert {one["part"] for one in report["scores"]} == {"train", "validation", "test"}
    assert {one["feature"] for one in report["importance"]} >= {"note", "spend_28d"}
    manifest = json.loads((built.environment.registry.download(version) / "model.json").read_text())
    assert manifest["classes"] == CHANNELS


def test_the_endpoint_names_the_class(built: Platform) -> None:
    client, model = built.serve()
    users, notes = [3, 200, 399, 9999], ["by app, thanks", "by shop, thanks", "", "nothing known ☂"]
    answered = client.post("/v2/models/score/infer", json=body(users, notes))
    assert answered.status_code == 200, answered.text
    outputs = {one["name"]: one for one in answered.json()["outputs"]}
    assert list(outputs) == ["prediction", "prediction_id", "degraded", "reasons", "probability"]
    assert (outputs["prediction"]["datatype"], outputs["probability"]["datatype"]) == ("BYTES", "FP64")
    assert outputs["prediction"]["data"][:3] == ["app", "shop", "web"]
    wanted = [{"name": "probabilities"}, {"name": "prediction"}]
    each, best = client.post("/v2/models/score/infer", json=body(users, notes, outputs=wanted)).json()["outputs"]
    assert each["shape"] == [4, 3]
    assert np.sum(each["data"], axis=1) == pytest.approx(np.ones(4))
    assert [CHANNELS[n] for n in np.argmax(each["data"], axis=1)] == best["data"] == outputs["prediction"]["data"]
    assert np.max(each["data"], axis=1).tolist() == outputs["probability"]["data"]
    metadata = client.get("/v2/models/score").json()
    assert metadata["parameters"] == {"classes": CHANNELS}
    assert {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]} in metadata["outputs"]
    assert client.post("/v2/models/score/infer", json=example_request(model.plan)).status_code == 200
    assert "The answer has the class in <code>prediction</code>" in client.get("/docs").text
    model.probe()


def test_what_came_true_is_the_name_of_a_class(built: Platform) -> None:
    client, _ = built.serve()
    sent = {"prediction_id": ["a", "b"], "label": ["web", "carrier pigeon"]}  # one that is new is news, not an error
    assert client.post("/v2/models/score/feedback", json=sent).status_code == 202
    refused = client.post("/v2/models/score/feedback", json=sent | {"label": [1, 0]})
    assert refused.status_code == 422
    assert "Send Unicode text" in refused.json()["error"]
    schema = client.get("/openapi.json").json()["paths"]["/score/v2/models/score/feedback"]["post"]["requestBody"]
    assert schema["content"]["application/json"]["schema"]["properties"]["label"]["items"] == {"type": "string"}


def test_it_is_watched_before_and_after_the_outcomes_are_known(built: Platform) -> None:
    client, _ = built.serve()
    users = list(range(shop.USERS))
    week = read_visits(mlp.Window(AT, AT + timedelta(days=7)))
    answered = client.post("/v2/models/score/infer", json=body(users, week["note"].to_list())).json()
    outputs = {one["name"]: one["data"] for one in answered["outputs"]}
    feedback = {"prediction_id": outputs["prediction_id"], "label": week["channel"].to_list()}
    assert client.post("/v2/models/score/feedback", json=feedback).status_code == 202
    built.run("predictions", "feedback", "drift", "estimated_performance", "realised_performance", "alarms")
    lake = built.environment.lake
    log = lake.scan(Table("shop", "predictions", "score")).filter(
        pl.col("prediction_id").is_in(feedback["prediction_id"])
    )
    assert log.select("prediction", "probability").collect().rows() == list(
        zip(outputs["prediction"], outputs["probability"], strict=True)
    )
    drift = lake.scan(Table("shop", "drift", "health")).collect()
    assert {"prediction", "probability", "spend_28d"} <= set(drift["feature"])
    tables = [lake.scan(Table("shop", kind, "health")) for kind in ("estimated_performance", "realised_performance")]
    now = [table.filter(pl.col("window") == f"{AT:%Y-%m-%d}").select("method", "value").collect() for table in tables]
    figures = dict(pl.concat(now).iter_rows())
    right = np.mean(np.array(outputs["prediction"]) == week["channel"].to_numpy())
    assert figures["realised_accuracy"] == pytest.approx(right, abs=0.02)  # with the few rows of the tests before
    assert figures["estimated_accuracy"] == pytest.approx(right, abs=0.06)
    assert 0.5 < figures["realised_macro_f1"] <= 1


def test_it_is_made_again_alike_and_a_tie_passes(built: Platform) -> None:
    version = built.environment.registry.versions("shop.comes_again")[-1]
    (model,) = built.project.models
    assert reproduce_version(built.project, model, version.version, environment=built.environment).weights.same
    built.run("candidate", "champion")
    shown = built.metadata("candidate", "comes_again")
    assert "accuracy" in str(shown["gates"])
    assert shown["metrics"]["champion"] == shown["metrics"]["candidate"]  # type: ignore[index]


def test_the_scorer_says_what_its_classes_are(built: Platform) -> None:
    version = built.environment.registry.versions("shop.comes_again")[-1]
    scorer = load_scorer(built.environment.registry.download(version), version.digest)
    assert scorer.facts.task == "multiclass"
    assert scorer.predict(np.full((2, 7), np.nan)).shape == (2, 3)


def test_targets_and_gates_that_do_not_fit_are_told() -> None:
    (model,) = named().models
    training_set, labels = model.training_set, model.training_set.labels
    number = replace(labels, columns={**labels.columns, "channel": pl.Float64})
    for changed, message in (
        (replace(model, training_set=replace(training_set, labels=number)), "is pl.Float64, which cannot name classes"),
        (replace(model, task="binary"), "target 'channel' is pl.String, which is not a number"),
        (replace(model, gates=[mlp.AtLeast("roc_auc", 0.5)]), "metric 'roc_auc' does not exist for a multiclass model"),
        (replace(model, gates=[mlp.AtMost("accuracy", 0.5)]), "accuracy is better when it is higher"),
        (replace(model, gates=[mlp.BetterThan("column:spend_7d")]), "does not exist for a multiclass model"),
    ):
        assert message in " ".join(str(problem) for problem in changed.problems())
    (plain,) = shop.make().models
    words = " ".join(str(one) for one in replace(plain, gates=[mlp.BetterThan("tfidf")]).problems())
    assert "baseline 'tfidf' reads texts, but no key or feature holds any" in words
    assert "Write one of base_rate, logistic_regression" in words
