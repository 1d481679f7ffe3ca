"""`mlp plan`: the consequences of a changed project file for assets that were really materialized."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

import mlp_assets as mlp
from mlp_assets.cli.main import app
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.nouns.feature_view import Derive
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import Consequences, plan_changes
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Table
from mlp_resources.ports.serving import PublicationRefusedError
from tests.support import shop
from tests.support.platform import Platform, failure, weeks
from tests.support.snapshots import Snapshots

WEEKS = weeks("2024-01-01", "2024-01-08")


def project(
    start: str = "2024-01-01", every: str = "1w", derive: Derive | None = None, **features: mlp.Aggregation
) -> mlp.Project:
    moved = {"start": start, "every": every, **({} if start == "2024-01-01" else {"end": "2024-05-08"})}
    purchases, outcomes = (replace(source, **moved) for source in shop.ingested())  # type: ignore[arg-type]
    outcomes = replace(outcomes, inputs=[purchases])
    return shop.make(sources=(purchases, outcomes), features=features)


FIRST = {"spend": mlp.total("amount", over="7d"), "orders": mlp.count(over="7d"), "most": mlp.maximum("amount", "7d")}


@pytest.fixture
def platform(home: Path, snapshots: Snapshots) -> Platform:
    return snapshots.copy("shop-first-features", home, project(**FIRST), publish)


def publish(platform: Platform) -> None:
    platform.run("source", "features", tags=WEEKS)
    platform.run("online")


def consequences_of(platform: Platform, changed: mlp.Project) -> Consequences:
    return plan_changes(changed, instance=platform.instance, environment=platform.environment)


def serve(platform: Platform) -> None:
    """Writes the desired state of a live endpoint, as the serving adapter does."""
    (endpoint,) = platform.project.endpoints
    plan = serving_plan(Scope(platform.project, platform.environment), endpoint, "1", "file:///model.onnx", "0" * 64)
    state = platform.environment.home / "serving" / "desired.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"shop.score": {"plan": plan, "options": {}}}))


def test_the_same_file_has_no_consequences(platform: Platform) -> None:
    found = consequences_of(platform, project(**FIRST))
    assert replace(found, new=()) == Consequences((), (), (), ())
    assert not found.breaks


def test_a_view_that_was_never_computed_is_reported_as_that(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        found = plan_changes(project(**FIRST), instance=instance, environment=LocalEnvironment(home))
    assert replace(found, new=()) == Consequences((), (), (), (), ("shop.spending",))
    assert {"shop/source/purchases", "shop/features/spending", "shop/endpoint/score"} <= set(found.new)


def test_each_changed_feature_is_reported_with_the_endpoints_that_look_it_up(platform: Platform) -> None:
    serve(platform)
    changed = {
        "spend": mlp.total("amount", over="14d", description="More."),
        "visits": mlp.count(over="7d"),
        "least": mlp.minimum("amount", "7d"),
    }
    found = consequences_of(platform, project(**changed))
    live = ("shop.score",)
    assert [(c.view, c.name, c.kind, c.before, c.after, c.endpoints) for c in found.features] == [
        ("shop.spending", "visits", "renamed", "orders", "visits", live),
        ("shop.spending", "most", "removed", "maximum('amount', over='7d')", None, live),
        ("shop.spending", "least", "new", None, "minimum('amount', over='7d')", ()),
        ("shop.spending", "spend", "changed", "total('amount', over='7d')", "total('amount', over='14d')", live),
    ]
    assert found.breaks
    assert [(stale.asset, stale.because, stale.partitions) for stale in found.stale] == [
        ("shop/features/spending", "its definition changed", 2),
        ("shop/online/spending_online", "its definition changed", 0),
    ]


def test_a_changed_description_has_no_consequences(platform: Platform) -> None:
    worded = FIRST | {"spend": mlp.total("amount", over="7d", description="What it is.", tags={"tier": "gold"})}
    assert replace(consequences_of(platform, project(**worded)), new=()) == Consequences((), (), (), ())


def test_assets_that_are_no_longer_declared_are_reported(platform: Platform) -> None:
    (view,) = platform.project.feature_views
    found = consequences_of(platform, mlp.Project("shop", owner="team:shop", assets=[view.source]))  # type: ignore[list-item]
    assert found.gone == ("shop/features/spending", "shop/online/spending_online", "shop/source/outcomes")


@pytest.mark.parametrize(
    ("change", "grid"), [({"start": "2024-01-03"}, "every week, on Wednesdays"), ({"every": "1d"}, "every day")]
)
def test_a_moved_partition_grid_is_refused(platform: Platform, change: dict[str, Any], grid: str) -> None:
    moved = project(**change, **FIRST)
    (refused, *_) = consequences_of(platform, moved).refused
    assert "the partitions of its table begin every week, on Mondays" in refused
    key = "2024-01-10" if "start" in change else "2024-01-08"
    before = platform.environment.lake.version(Table("shop", "source", "purchases"))
    failed = Platform(moved, platform.environment.home)
    sentence = failure(failed.run("source", tags={"dagster/partition": key}, fails=True))
    assert "Source 'purchases': the partitions of its table begin every week, on Mondays; with start=" in sentence
    assert f"they would begin {grid}, and rows would count twice or not at all" in sentence
    assert platform.environment.lake.version(Table("shop", "source", "purchases")) == before


def test_a_changed_view_is_published_once_its_table_is_computed(platform: Platform) -> None:
    fewer = Platform(project(**{name: FIRST[name] for name in ("spend", "orders")}), platform.environment.home)
    sentence = failure(fewer.run("online", fails=True))
    assert PublicationRefusedError.__name__ in sentence
    assert "its table has not been computed since 'most' was changed, added or removed." in sentence
    fewer.run("source", "features", tags=WEEKS)
    fewer.run("online")


def test_the_command_prints_the_consequences(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(
        "load_from:\n  - python_module: {module_name: mlp_assets.examples.retail.project, location_name: retail}\n"
    )
    done = CliRunner().invoke(app, ["plan", "-w", str(file)])
    assert done.exit_code == 0, done.output
    assert "Never computed: retail." in done.output
    assert "Features: none changed. Assets: 0 become stale." in done.output
    assert re.search(r"Will be made\n \+  retail/\w+", done.output)
    as_json = CliRunner().invoke(app, ["plan", "--json", "-w", str(file)])
    printed = json.loads(as_json.output)
    assert "retail.household_habits" in printed.pop("uncomputed")
    assert "retail/endpoint/repurchase_score" in printed.pop("new")
    assert printed == {"features": [], "stale": [], "refused": [], "gone": [], "breaks": False, "failed": {}}


def test_a_project_file_that_does_not_load_fails_the_command(home: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_project.py").write_text("import mlp_assets as mlp\n\nproject = mlp.Projekt('shop')\n")
    file = tmp_path / "workspace.yaml"
    file.write_text("load_from:\n  - python_file: {relative_path: broken_project.py, location_name: broken}\n")
    done = CliRunner().invoke(app, ["plan", "-w", str(file)])
    assert done.exit_code == 1
    assert "Code location broken is left out: AttributeError" in done.output
    as_json = CliRunner().invoke(app, ["plan", "--json", "-w", str(file)])
    assert as_json.exit_code == 1
    assert "Projekt" in json.loads(as_json.output)["failed"]["broken"]
