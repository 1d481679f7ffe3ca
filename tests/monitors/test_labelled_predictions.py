"""A prediction takes the label of its question, never that of another question of the same keys."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import mlp_assets as mlp
from mlp_assets.features.source_rows import source_versions
from mlp_assets.monitors.labelled_predictions import LabelledPredictions, join_labels
from mlp_assets.orchestration.scope import Scope
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Transaction
from mlp_resources.ports.tables import feedback
from tests.support import logistic, shop

MONDAY = datetime(2024, 1, 29, tzinfo=UTC)
ANSWERS = [(1, 9, 1.0), (1, 11, 0.0), (2, 9, 1.0), (3, 9, 0.0), (3, 9.5, 0.0)]
ASKED = {
    "at the label's own time": (1, 11, 0.0),
    "when there was one label only": (1, 10, 1.0),
    "when there were two": (1, 12, None),
    "of a user with one label": (2, 12, 1.0),
    "of a user with two": (3, 12, None),
    "a day after the last label": (2, 40, None),
    "of a user without any": (4, 12, None),
}

OFFERS = {"at the label's own time": 1, "when there were two": 0, "of a user with two": 4}


def train(run: mlp.TrainingRun) -> object:
    return logistic.fitted(run.train.x, run.train.y)


def monitored(folder: Path, question: mlp.Entity | None = None) -> mlp.Project:
    labels = mlp.Source(
        "answers",
        delta=str(folder / "answers"),
        event_time="asked_at",
        start="2024-01-01",
        columns={"offer_id": pl.Int64, "user_id": pl.Int64, "came": pl.Float64, "asked_at": pl.Datetime},
    )
    purchases, _ = shop.ingested()
    view = mlp.FeatureView(
        "spending",
        entity=mlp.Entity("user", keys=["user_id"]),
        source=purchases,
        features=shop.FEATURES,
        every="1w",
        online=True,
    )
    history = mlp.TrainingSet(
        "history", labels=labels, target="came", features=[view], availability="known", entity=question
    )
    model = mlp.Model("comes", training_set=history, train=train, task="binary", gates=[mlp.AtLeast("roc_auc", 0.6)])
    monitor = mlp.Monitor("health", watches=mlp.Endpoint("score", model=model), alarms=[mlp.DriftAlarm()])
    return mlp.Project("shop", owner="team:shop", assets=[monitor])


def joined(tmp_path: Path, told: pl.DataFrame | None = None, question: mlp.Entity | None = None) -> LabelledPredictions:
    rows = [(user, came, MONDAY + timedelta(hours=hour)) for user, hour, came in ANSWERS]
    answers = pl.DataFrame(rows, schema=["user_id", "came", "asked_at"], orient="row").with_row_index("offer_id")
    answers.cast({"offer_id": pl.Int64}).write_delta(tmp_path / "answers")
    project, environment = monitored(tmp_path, question), LocalEnvironment(tmp_path / "home")
    table, version = feedback("shop", "score"), None
    if told is not None:
        version = environment.lake.append(table, told, Transaction("feedback", 1)).version
    (monitor,) = project.monitors
    versions = source_versions(Scope(project, environment), [monitor.watches.model.training_set.labels])
    asked = pl.DataFrame(
        {
            "prediction_id": list(ASKED),
            "window": ["w"] * len(ASKED),
            "at": [MONDAY + timedelta(hours=hour) for _, hour, _ in ASKED.values()],
            "offer_id": [OFFERS.get(name, 99) for name in ASKED],
            "user_id": [user for user, _, _ in ASKED.values()],
            "prediction": [float(number) for number in range(len(ASKED))],
        }
    )
    windows = asked.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).lazy()
    return join_labels(Scope(project, environment), monitor, windows, versions | {str(table): version})


def test_of_several_labels_none_is_taken_and_the_prediction_is_counted(tmp_path: Path) -> None:
    found = joined(tmp_path)
    expected = {float(number): came for number, (*_, came) in enumerate(ASKED.values()) if came is not None}
    assert dict(found.rows.select("prediction", "came").iter_rows()) == expected
    assert found.ambiguous == 2


def test_feedback_says_which_prediction_it_is_about(tmp_path: Path) -> None:
    told = pl.DataFrame(
        {"prediction_id": ["when there were two"], "label": [1.0], "known_at": [MONDAY + timedelta(days=2)]}
    )
    found = joined(tmp_path, told)
    assert found.rows.filter(pl.col("prediction") == 2.0)["came"].to_list() == [1.0]
    assert found.ambiguous == 1


def test_keys_that_identify_the_question_match_its_own_label(tmp_path: Path) -> None:
    found = joined(tmp_path, question=mlp.Entity("offer", keys=["offer_id"]))
    numbers = {name: float(number) for number, name in enumerate(ASKED)}
    expected = {numbers["at the label's own time"]: 0.0, numbers["when there were two"]: 1.0}
    expected[numbers["of a user with two"]] = 0.0
    assert dict(found.rows.select("prediction", "came").iter_rows()) == expected
    assert found.ambiguous == 0
