"""Publication as an asset: the newest rows as known now, checked against the offline join; embedded and on Redis."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.parity_check import VALUES, compare_online_with_offline, sample_entities
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.orchestration.check_names import ONLINE_EQUALS_OFFLINE
from mlp_assets.tables.as_of_join import FeatureTable
from mlp_resources.online.lmdb import LmdbOnlineStore
from tests.support import shop
from tests.support.platform import Platform, infer_body, weeks
from tests.support.redis_server import NEEDED, redis_server

WEEKS = weeks("2024-01-01", "2024-04-22")
NOW = datetime(2024, 4, 29, tzinfo=UTC)
SECRET = "s3cr3t-w0rd"
PLAN = ViewPlan("spending", ("user_id", "shop"), ("spend", "visits"), 30 * 86_400, "")
TTL = timedelta(days=30)


def check_evaluation(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    evaluations = result.get_asset_check_evaluations()
    (evaluation,) = [each for each in evaluations if each.check_name == ONLINE_EQUALS_OFFLINE]
    return evaluation


def test_a_publication_is_checked_against_the_offline_join(home: Path) -> None:
    platform = Platform(shop.make(), home)
    platform.run("source", "features", tags=WEEKS)
    check = check_evaluation(platform.run("online"))
    assert (check.passed, check.severity) == (True, dg.AssetCheckSeverity.ERROR)
    shown = {name: value.value for name, value in check.metadata.items()}
    assert (shown["values_compared"], shown["differences"], shown["entities"]) == (2400, 0, 400)
    assert (shown["expired"], shown["unknown"]) == (400, 0)  # the rows are of 2024, and their TTL is four weeks
    assert shown["values_present"] > 1000  # not yet expired when the newest became known
    assert platform.metadata("online", "spending")["location"] == platform.environment.online.location(
        "shop", "spending"
    )


def rows(users: int, at: datetime = NOW) -> pl.DataFrame:
    draw = np.random.default_rng(3)
    frame = pl.DataFrame({"user_id": range(users), "spend": draw.normal(size=users), "visits": draw.normal(size=users)})
    every = pl.col("user_id")
    return frame.with_columns(
        shop=pl.format("shop {}", every % 7),
        visits=pl.when(every % 3 > 0).then("visits"),
        event_time=pl.lit(at) - pl.duration(days=every % 40),
        known_at=pl.lit(at),
    )


def check_of(folder: Path, offline: pl.DataFrame, online: pl.DataFrame) -> dict[str, Any]:
    store = LmdbOnlineStore(folder)
    location = store.location("shop", "spending")
    store.publish(location, PLAN.keys, PLAN.features, online, version=1)
    table = FeatureTable(offline.lazy(), PLAN.keys, PLAN.features, TTL)
    parity = compare_online_with_offline(PLAN, table, store.open_view(location, PLAN.features), NOW)
    assert parity.equal == (parity.facts["differences"] == 0)
    return parity.facts


def test_the_check_counts_reasons_and_samples_evenly(tmp_path: Path) -> None:
    shown = check_of(tmp_path, rows(120_000), rows(120_000))
    assert (shown["values_compared"], shown["entities"], shown["differences"]) == (VALUES, 50_000, 0)
    assert shown["expired"] > 10_000
    assert shown["partial"] > 10_000
    sampled = sample_entities(rows(120_000).select(PLAN.keys), PLAN)["user_id"]
    assert (sampled[0], set(sampled.diff().drop_nulls())) == (0, {2, 3})


@pytest.mark.parametrize(
    ("changed", "feature", "offline", "online"),
    [
        (pl.col("spend") * (1 + 2**-52), "spend", None, None),  # the last bit
        (pl.col("visits").fill_null(0.0), "visits", "nan", "0.0"),  # never silently zero
    ],
)
def test_the_check_names_the_first_value_that_differs(
    tmp_path: Path, changed: pl.Expr, feature: str, offline: str | None, online: str | None
) -> None:
    user = 21
    other = rows(50).with_columns(pl.when(pl.col("user_id") == user).then(changed).otherwise(feature).alias(feature))
    shown = check_of(tmp_path, rows(50), other)
    assert (shown["differences"], shown["first_feature"]) == (1, feature)
    assert shown["first_entity"] == "{'user_id': 21, 'shop': 'shop 0'}"
    assert shown["first_offline"] != shown["first_online"]
    if offline is not None:
        assert (shown["first_offline"], shown["first_online"]) == (offline, online)


def test_the_check_sees_an_entity_that_was_left_out(tmp_path: Path) -> None:
    shown = check_of(tmp_path, rows(50), rows(50).filter(pl.col("user_id") != 8))
    assert (shown["differences"], shown["first_feature"], shown["unknown"]) == (2, "spend", 1)


def test_the_newest_known_row_of_each_entity_is_published() -> None:
    (view,) = shop.make().feature_views
    early, late, soon = NOW - timedelta(days=7), NOW - timedelta(days=1), NOW + timedelta(days=1)
    table = [
        (1, early, early, 1.0), (1, late, late, 2.0), (1, early, NOW, 3.0),  # a late row for an old moment
        (2, late, late, 4.0), (2, late, NOW, 5.0), (2, late, soon, 6.0),  # versions of one row, one not known yet
        (3, late, late, None), (3, early, early, 7.0),  # went quiet
        (4, soon, soon, 8.0), (None, late, late, 9.0),
    ]  # fmt: skip
    kinds = {"user_id": pl.Int64, "event_time": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame(table, schema=kinds | {"spend_7d": pl.Float64}, orient="row")
    frame = frame.with_columns(pl.col("spend_7d").alias(name) for name in view.feature_names)
    newest = newest_rows(view, frame.lazy(), NOW).sort("user_id")
    assert newest.select("user_id", "event_time", "spend_7d").rows() == [(1, late, 2.0), (2, late, 5.0)]


@NEEDED
def test_redis_is_published_served_and_checked_and_its_password_is_written_nowhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server(tmp_path, SECRET) as url:
        monkeypatch.setenv("MLP_ONLINE", url.replace("redis://", f"redis://:{SECRET}@"))
        platform = Platform(shop.make(), home)
        platform.run("source", "features", tags=WEEKS)
        result = platform.run("online", "training_set", "candidate", "champion")
        assert check_evaluation(result).passed
        client, model = platform.serve()
        answer = client.post("/v2/models/score/infer", json=infer_body([7, 9999], NOW)).json()
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        assert outputs["reasons"] == ["", "spending:unknown"]
        assert model.plan.views[0].location == f"{url}#shop/spending"
        (asset,) = [spec for spec in platform.definitions.resolve_all_asset_specs() if spec.key.path[1] == "online"]
        assert "redis" in asset.kinds
    events = [str(event) for event in result.all_events] + [
        str(platform.metadata("online", "spending")),
        repr(model.plan),
    ]
    written = [path for path in home.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert SECRET not in json.dumps(events) + json.dumps(answer)
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert not os.path.exists(home / "online")
