"""A home that an earlier commit made goes on: its tables, registry, records, spool and live endpoint, as they are."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable
from starlette.testclient import TestClient

from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.models.promotions import champion, read_record
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import definitions_for, plan_changes, reproduce_version
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.lake.retention import PROPERTIES
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support.earlier_homes import make_home

NOW = datetime(2024, 5, 7, tzinfo=UTC)
WEEK = {"dagster/asset_partition_range_start": "2024-04-29", "dagster/asset_partition_range_end": "2024-04-29"}
ASKED, LINES = 4, 200


class Home:
    """The home as this commit sees it."""

    def __init__(self, folder: Path) -> None:
        self.project = importlib.import_module("team.project").project
        self.environment = LocalEnvironment(folder, now=lambda: NOW)
        self.scope = Scope(self.project, self.environment)
        self.before: dict[str, Any] = json.loads((folder / "before.json").read_text())
        self.definitions = definitions_for(self.project, environment=self.environment)
        self.job = self.definitions.resolve_implicit_global_asset_job_def()
        self.instance = dg.DagsterInstance.from_config(str(folder / "dagster"))

    def run(self, kind: str, tags: dict[str, str] | None = None) -> None:
        selected = [key for key in self.job.asset_layer.executable_asset_keys if key.path[1] == kind]
        assert selected
        assert self.job.execute_in_process(instance=self.instance, asset_selection=selected, tags=tags or {}).success

    def table(self, kind: str, name: str) -> pl.DataFrame:
        return self.environment.lake.scan(Table("shop", kind, name)).collect()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home("1d5dab9", tmp_path_factory.mktemp("earlier"))


@pytest.fixture
def home(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.syspath_prepend(str(made.parent))
    monkeypatch.setenv("MLP_HOME", str(made))
    opened = Home(made)
    with opened.instance:
        yield opened


def test_nothing_is_stale(home: Home) -> None:
    recorded = {name: version for name, version in home.before["code_versions"].items() if version is not None}
    assert {"shop/source/purchases", "shop/features/spending", "shop/candidate/comes_again_candidate"} <= set(recorded)
    graph = home.definitions.resolve_asset_graph()
    now = {name: graph.get(dg.AssetKey.from_user_string(name)).code_version for name in recorded}
    assert now == recorded
    changes = plan_changes(home.project, instance=home.instance, environment=home.environment)
    assert (changes.stale, changes.features, changes.refused, changes.gone) == ((), (), (), ())


def test_tables_and_the_champion_are_read_as_they_are(home: Home) -> None:
    for name, digest in home.before["digests"].items():
        assert canonical_digest(home.table(*name.split("/")[1:])) == digest
    live = champion(home.scope, home.project.models[0])
    assert live is not None
    assert live.version == home.before["champion"]


def test_the_live_endpoint_gives_the_same_answers(home: Home, tmp_path: Path) -> None:
    (entry,) = home.environment.serving.desired().values()
    plan = replace(ServingPlan.from_json(entry["plan"]), spool=tmp_path)
    model = ServedModel(plan, open_view)
    client = TestClient(create_app(lambda: model))
    for asked in home.before["answer"]:
        response = client.post("/v2/models/score/infer", json=asked["request"]).json()
        assert without_ids(response) == without_ids(asked["response"])


def without_ids(response: dict[str, Any]) -> dict[str, Any]:
    """The response without the ids of its predictions, which are random."""
    return response | {"outputs": [output for output in response["outputs"] if output["name"] != "prediction_id"]}


def test_a_version_is_reproduced(home: Home) -> None:
    again = reproduce_version(home.project, home.project.models[0], "1", environment=home.environment)
    assert again.holds, again


def test_the_next_week_goes_on_where_it_stood(home: Home) -> None:
    assert home.table("predictions", "score").height == (ASKED - 1) * LINES
    for kind in ("predictions", "predictions"):
        home.run(kind)
    logged = home.table("predictions", "score")
    assert logged.height == logged["prediction_id"].n_unique() == ASKED * LINES
    before = home.table("features", "spending").height
    for kind, tags in {"source": WEEK, "features": WEEK, "online": None, "training_set": None}.items():
        home.run(kind, tags)
    assert home.table("features", "spending").height > before
    for table in (Table("shop", "features", "spending"), Table("shop", "predictions", "score")):
        assert DeltaTable(home.environment.lake.location(table)).metadata().configuration == PROPERTIES
    for kind in ("candidate", "champion", "drift"):
        home.run(kind)
    assert [promotion.version for promotion in read_record(home.scope, home.project.models[0]).promotions] == ["1", "2"]
