"""From predictions, feedback and labels to NannyML's figures, alarms and episodes, in real runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlp_resources.ports.lake import Table, Transaction
from tests.support import shop
from tests.support.platform import Platform, infer_body, weeks
from tests.support.shop import DEPLOYED, MONITORED
from tests.support.snapshots import Snapshots

USERS = list(range(shop.USERS))


@pytest.fixture
def live(home: Path, snapshots: Snapshots) -> Platform:
    """A platform whose model went live on 1 April."""
    return snapshots.copy_home("shop-live", home, shop.make(), go_live)


def go_live(folder: Path) -> None:
    platform = Platform(shop.make(), folder)
    platform.run("source", "features", tags=weeks("2024-01-01", "2024-03-25"))
    platform.run("online", "training_set", "candidate", "champion")


def replay(platform: Platform, count: int) -> list[str]:
    """Replays weeks after the deployment: requests, then ingestion. Returns the prediction ids of the first answer."""
    client, model = platform.serve()
    first: list[str] = []
    for number in range(count):
        at = DEPLOYED + timedelta(weeks=number)
        answer = client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body(USERS, at))
        assert answer.status_code == 200
        first = first or answer.json()["outputs"][1]["data"]
        platform.run("source", "features", tags=weeks(f"{at:%Y-%m-%d}", f"{at:%Y-%m-%d}"))
        platform.run("online")
    return first


def table(platform: Platform, kind: str, name: str = "health") -> pl.DataFrame:
    return platform.environment.lake.scan(Table("shop", kind, name)).collect()


def test_a_fault_in_the_feed_opens_an_episode(live: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.Feed, "cents_since", DEPLOYED)
    replay(live, 3)
    live.run(*MONITORED)
    windows = table(live, "alarms").sort("window")
    assert windows["window"].to_list() == ["2024-04-01", "2024-04-08", "2024-04-15"]
    assert windows["alarm"].to_list() == [False, False, True]  # the features show the fault from 8 April on
    facts = live.metadata("alarms", "health")
    assert facts["episode_open"]
    assert facts["episode"] == "shop.health:1:2024-04-15"
    assert "spend_7d (jensen_shannon" in str(facts["message"])
    for kind in ("drift", "estimated_performance", "realised_performance", "alarms"):
        assert str(live.metadata(kind, "health")["picture"]).startswith("![picture](data:image/png;base64,")


def test_weeks_without_a_fault_are_calm(live: Platform) -> None:
    replay(live, 3)
    live.run(*MONITORED)
    assert table(live, "alarms")["alarm"].to_list() == [False] * 3
    assert not live.metadata("alarms", "health")["episode_open"]
    estimated = table(live, "estimated_performance")
    realised = table(live, "realised_performance").filter(pl.col("method") == "realised_roc_auc")
    both = estimated.join(realised, on="window", suffix="_realised")
    assert both.height == 3
    assert (both["value"] - both["value_realised"]).abs().max() < 0.12  # type: ignore[operator]


def test_realised_performance_needs_labels_or_feedback(live: Platform) -> None:
    client, model = live.serve()
    last = datetime(2024, 4, 29, tzinfo=UTC)  # a week whose outcomes are not ingested
    answer = client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body(USERS, last)).json()
    live.run(*MONITORED)
    assert table(live, "realised_performance").is_empty()
    ids, labels = answer["outputs"][1]["data"], [float(user % 2) for user in USERS]
    sent = client.post(
        f"/v2/models/{model.plan.endpoint}/feedback",
        json={"prediction_id": ids, "label": labels},
    )
    assert sent.status_code == 202, sent.text
    live.run(*MONITORED)
    realised = table(live, "realised_performance")
    assert realised["window"].unique().to_list() == ["2024-04-29"]
    (auc,) = realised.filter(pl.col("method") == "realised_roc_auc")["value"].to_list()
    assert 0.3 < auc < 0.7  # these labels are random to the model


def test_a_prediction_within_the_week_takes_the_label_of_that_week(live: Platform) -> None:
    client, model = live.serve()
    for at in (DEPLOYED + timedelta(days=2, hours=9), DEPLOYED + timedelta(weeks=3)):  # the second has no label yet
        body = infer_body(USERS, at)
        assert client.post(f"/v2/models/{model.plan.endpoint}/infer", json=body).status_code == 200
    week = f"{DEPLOYED:%Y-%m-%d}"
    live.run("source", "features", tags=weeks(week, week))
    live.run(*MONITORED)
    realised = table(live, "realised_performance")
    assert realised.select("window", "rows").unique().rows() == [(week, shop.USERS)]


def test_a_prediction_is_drained_exactly_once(live: Platform) -> None:
    client, model = live.serve()
    for _ in range(2):
        client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body([1, 2, 3], DEPLOYED))
        live.run("predictions")
        live.run("predictions")
    rows = table(live, "predictions", "score")
    assert rows.height == 6
    assert rows["prediction_id"].n_unique() == 6
    assert rows["model_version"].unique().to_list() == ["1"]
    assert live.metadata("predictions", "score")["rows_drained"] == 0
    (file,) = Path(model.plan.spool).glob("predictions-*")
    client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body([4], DEPLOYED))
    model.spool._files["predictions"].close()  # as a replica does when it ends
    live.run("predictions")
    assert table(live, "predictions", "score").height == 7
    assert not file.exists()


def test_files_of_many_drains_are_merged(live: Platform) -> None:
    client, model = live.serve()
    client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body([1], DEPLOYED))
    live.run("predictions")
    lake, log = live.environment.lake, Table("shop", "predictions", "score")
    drained = table(live, "predictions", "score")
    for number in range(40):  # as that many drains do
        again = drained.with_columns(prediction_id=pl.lit(f"prediction-{number}"))
        lake.append(log, again, Transaction(f"spool:file-{number}", 1))
    version = lake.version(log)
    live.run("predictions")
    assert lake.version(log) == version  # without new rows, sensors hear nothing
    client.post(f"/v2/models/{model.plan.endpoint}/infer", json=infer_body([2], DEPLOYED))
    live.run("predictions")
    assert table(live, "predictions", "score")["prediction_id"].n_unique() == 42
    assert table(live, "predictions", "score").height == 42
    history = lake.history(log)
    assert history is not None
    assert sum(file.is_needed_by(history.newest) for file in history.files) == 1


def test_before_the_first_prediction_a_monitor_has_no_windows(live: Platform) -> None:
    live.run(*MONITORED)
    assert table(live, "drift").is_empty()
    assert table(live, "alarms").is_empty()
    assert not live.metadata("alarms", "health")["episode_open"]
