"""Unknown entities, rows past their TTL and partial rows: named in the answer, counted, and refused if so declared."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.replica.prediction_log import read_rows
from mlp_assets.endpoints.replica.spool import PREDICTIONS, spooled_files
from mlp_assets.features.online_reader import EXPIRED, FINE, PARTIAL, REASONS, UNKNOWN, ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.open_view import open_view
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.ports.serving import OnlineView
from tests.support import samples
from tests.support.doubling_endpoint import AT, INFER, outputs, plan, request
from tests.support.redis_server import NEEDED, redis_server

WHOLE, OLD, PART, NEW, STRANGE = 1, 2, 3, 4, 5
ASK: dict[str, Any] = request([WHOLE, OLD, PART, NEW, STRANGE], [5] * 5)


def served(folder: Path, **changes: Any) -> tuple[TestClient, ServedModel]:
    """The sample endpoint on a view with a whole row, an old, a partial and a too new one."""
    given = plan(folder, **changes)
    month = timedelta(days=30)
    rows = pl.DataFrame(
        {
            "user_id": [WHOLE, OLD, PART, NEW],
            "spend": [10.0, 20.0, None, 40.0],
            "visits": [1.0, 2.0, 3.0, 4.0],
            "event_time": [AT, AT - 3 * month, AT, AT + month],
        }
    )
    features = ["spend", "visits"]
    LmdbOnlineStore(folder).publish(str(folder / "view"), ["user_id"], features, rows, version=2)
    given["views"][0]["features"] = features
    model = ServedModel(ServingPlan.from_json(given), open_view)
    return TestClient(create_app(lambda: model)), model


def test_every_row_names_its_reasons_and_each_reason_is_counted(tmp_path: Path) -> None:
    client, _ = served(tmp_path)
    answer = outputs(client.post(INFER, json=ASK))
    assert answer["reasons"] == ["", "spending:expired", "spending:partial", "spending:expired", "spending:unknown"]
    assert answer["degraded"] == [False, True, False, True, True]
    client.post(INFER, json=request([STRANGE], [1]))
    counts = client.get("/v2/models/score").json()["counts"]
    assert (counts["rows"], counts["views"]) == (6, {"spending": {"unknown": 2, "expired": 2, "partial": 1}})
    assert datetime.fromisoformat(counts["since"]) < datetime.now(UTC)
    (file,) = spooled_files(tmp_path / "spool", PREDICTIONS)
    found = read_rows(file, 0, PREDICTIONS)
    assert found is not None
    logged = found[0].select("missing_views", "expired_views", "partial_views", "degraded").rows()
    old, new = ("", "spending", "", True), ("", "spending", "", True)
    unknown = ("spending", "", "", True)
    assert logged == [("", "", "", False), old, ("", "", "spending", False), new, unknown, unknown]


def test_a_client_may_ask_for_the_reasons_alone(tmp_path: Path) -> None:
    client, _ = served(tmp_path)
    answer = client.post(INFER, json=ASK | {"outputs": [{"name": "reasons"}]}).json()["outputs"]
    assert [(output["name"], output["datatype"], output["shape"]) for output in answer] == [("reasons", "BYTES", [5])]


@pytest.mark.parametrize(
    ("refuses", "row", "sentence"),
    [
        ("unknown", 4, "view 'spending' has no row of its entity (1 such rows)"),
        ("expired", 1, "the features of its entity in view 'spending' have expired (2 such rows)"),
        ("partial", 2, "view 'spending' lacks some features of its entity (1 such rows)"),
    ],
)
def test_rows_that_an_endpoint_does_not_score_are_refused_and_counted(
    tmp_path: Path, refuses: str, row: int, sentence: str
) -> None:
    client, model = served(tmp_path, refuses=[refuses])
    answer = client.post(INFER, json=ASK)
    assert (answer.status_code, answer.json()["error"].startswith(f"Row {row}: {sentence}")) == (422, True)
    fine = {"unknown": [WHOLE, OLD, PART, NEW], "expired": [WHOLE, PART, STRANGE], "partial": [WHOLE, OLD, NEW]}[
        refuses
    ]
    assert client.post(INFER, json=request(fine, [5] * len(fine))).status_code == 200
    assert model.counts.to_dict()["views"]["spending"][refuses] == (2 if refuses == "expired" else 1)


def test_the_policy_is_declared_on_the_endpoint() -> None:
    assert samples.endpoint().refuses == ()
    assert samples.endpoint(on_unknown="error", on_partial="error").refuses == ("unknown", "partial")
    assert samples.endpoint(on_expired="error").refuses == ("expired",)
    assert set(REASONS.values()) == {"unknown", "expired", "partial"}


@NEEDED
def test_a_store_that_does_not_answer_is_not_an_unknown_entity(tmp_path: Path) -> None:
    given = plan(tmp_path)
    rows = pl.DataFrame({"user_id": [WHOLE], "spend": [10.0], "event_time": [AT]})
    with redis_server(tmp_path) as url:
        store = RedisOnlineStore(url)
        location = given["views"][0]["location"] = store.location("shop", "spending")
        store.publish(location, ["user_id"], ["spend"], rows, version=1)
        model = ServedModel(ServingPlan.from_json(given), open_view)
        client = TestClient(create_app(lambda: model))
        assert outputs(client.post(INFER, json=request([WHOLE, STRANGE], [5, 5])))["prediction"] == [20.0, 0.0]
    answer = client.post(INFER, json=request([WHOLE], [5]))
    assert (answer.status_code, "Send the request again later" in answer.json()["error"]) == (503, True)


versions = itertools.count(1)
micros = st.integers(-3, 3)


@given(st.integers(1, 3), micros, st.booleans(), st.booleans())
def test_ttl_means_the_same_in_a_table_an_array_and_a_single_row(
    folder: Path, days: int, off: int, newer: bool, null: bool
) -> None:
    """To the microsecond, at the edge of the TTL and at the request's own time."""
    age = timedelta(0) if newer else timedelta(days=days)
    event_time = AT - age + timedelta(microseconds=off)
    rows = pl.DataFrame({"user_id": [1], "a": [1.5], "b": [None if null else 2.5]}, schema_overrides={"b": pl.Float64})
    rows = rows.with_columns(event_time=pl.lit(event_time), known_at=pl.lit(event_time))
    spine = pl.LazyFrame({"user_id": [1], "at": [AT]})
    table = FeatureTable(rows.lazy(), ("user_id",), ("a", "b"), timedelta(days=days))
    offline = join_as_visible(spine, "at", [table]).collect().select("a", "b").fill_null(float("nan")).to_numpy()
    reader = ViewReader(ViewPlan("v", ("user_id",), ("a", "b"), days * 86_400, ""), published(folder, rows))
    now = int(AT.timestamp()) * 1_000_000
    one, many = reader.read_one((1,), now), reader.read_many([(1,), (2,)], now)
    assert np.array_equal(np.array([one.values]), offline, equal_nan=True)
    assert np.array_equal(many.values[:1], offline, equal_nan=True)
    usable = (off <= 0) if newer else (off >= 0)
    expected = (PARTIAL if null else FINE) if usable else EXPIRED
    assert (one.reasons.tolist(), many.reasons.tolist()) == ([expected], [expected, UNKNOWN])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ttl")


def published(folder: Path, rows: pl.DataFrame) -> OnlineView:
    store = LmdbOnlineStore(folder)
    store.publish(str(folder), ["user_id"], ["a", "b"], rows, version=next(versions))
    return store.open_view(str(folder))
