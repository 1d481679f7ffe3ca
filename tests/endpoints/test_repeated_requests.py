"""A request that its caller sent again under the same id has the same ids, and is logged once, whoever answered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mlp_assets.endpoints.replica.protocol import InferRequest
from mlp_assets.endpoints.replica.request_identity import call_of, is_named
from mlp_resources.ports.lake import Table
from tests.support.late_visits import TRAINED
from tests.support.platform import Platform

AT = TRAINED + timedelta(hours=1)


def ask(client: TestClient, users: Sequence[int], id: str | None = "order 7", at: datetime = AT) -> list[str]:
    """The ids of the predictions."""
    columns = [("user_id", users), ("hour", [user % 24 for user in users])]
    inputs = [{"name": n, "datatype": "INT64", "shape": [len(users)], "data": list(v)} for n, v in columns]
    body: dict[str, Any] = {"inputs": inputs, "parameters": {"at": at.isoformat()}}
    answer = client.post("/v2/models/score/infer", json=body | ({"id": id} if id is not None else {})).json()
    return next(output["data"] for output in answer["outputs"] if output["name"] == "prediction_id")


def drained(platform: Platform) -> tuple[object, object, list[str]]:
    """Rows drained, rows that were repeated, and the ids in the log."""
    platform.run("predictions")
    shown = platform.metadata("predictions", "score")
    log = platform.environment.lake.scan(Table("shop", "predictions", "score")).collect()
    return shown["rows_drained"], shown["rows_repeated"], log["prediction_id"].to_list()


def test_a_retried_request_is_logged_once(shop: Platform) -> None:
    one, other = (shop.serve()[0] for _ in range(2))  # two replicas, each with a spool of its own
    first = ask(one, [1, 2])
    assert ask(other, [1, 2]) == first
    assert drained(shop) == (2, 2, first)
    assert ask(one, [1, 2]) == first
    assert ask(one, [1, 2]) == first
    assert drained(shop) == (0, 4, first)
    more = ask(one, [3])
    ask(other, [1, 2])
    found = drained(shop)
    assert found[:2] == (1, 2)
    assert sorted(found[2]) == sorted(first + more)


def test_another_request_is_logged_whatever_its_id(shop: Platform) -> None:
    client, _ = shop.serve()
    ids = ask(client, [1, 2])
    ids += ask(client, [2, 1]) + ask(client, [1, 2], id="order 8") + ask(client, [1, 2], at=AT + timedelta(seconds=1))
    for name in (None, None, "", ""):  # without an id each is a request of its own
        ids += ask(client, [1, 2], id=name)
    assert len(set(ids)) == 16
    rows, repeated, logged = drained(shop)
    assert (rows, repeated) == (16, 0)
    assert sorted(logged) == sorted(ids)


def request(at: datetime, *, given: bool, id: str = "a", values: Sequence[float] = (1.0, float("nan"))) -> InferRequest:
    return InferRequest(id, {"spend": list(values), "name": ["é", "\N{PILE OF POO}"]}, len(values), at, given)


def test_without_a_time_of_its_own_a_request_counts_by_the_day() -> None:
    morning = datetime(2026, 11, 29, tzinfo=UTC)
    evening = morning + timedelta(days=1, microseconds=-1)
    assert call_of(request(morning, given=False)) == call_of(request(evening, given=False))
    assert call_of(request(morning, given=False)) != call_of(request(morning + timedelta(days=1), given=False))
    assert call_of(request(morning, given=True)) != call_of(request(evening, given=True))


@given(st.lists(st.tuples(st.text(max_size=3), st.lists(st.floats(0, 1), min_size=1, max_size=2)), max_size=6))
def test_ids_are_equal_where_id_and_values_are(cases: list[tuple[str, list[float]]]) -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    calls = [call_of(request(at, given=True, id=id, values=values)) for id, values in cases]
    for mine, call in zip(cases, calls, strict=True):
        for other, called in zip(cases, calls, strict=True):
            same = mine is other or (bool(mine[0]) and repr(mine) == repr(other))
            assert (call == called) == same


@pytest.mark.parametrize("id", ["a", None])
def test_an_id_says_whether_the_caller_named_the_request(id: str | None) -> None:
    calls = {call_of(InferRequest(id, {"x": [n]}, 1, AT, True)) for n in range(100)}
    assert len(calls) == 100
    assert pl.DataFrame({"prediction_id": [f"{call}-0" for call in calls]}).select(is_named().all()).item() == bool(id)
